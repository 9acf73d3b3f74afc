//! OpenAI's voices, and those of Google's that sound most alike.

/// OpenAI's name, Google's name (ai.google.dev, "Speech generation", lists 30 with a word for each).
const VOICES: [(&str, &str); 13] = [
    // Neutral, firm.
    ("alloy", "Kore"),
    // Warm, male.
    ("ash", "Algieba"),
    ("ballad", "Umbriel"),
    // Friendly, female.
    ("coral", "Laomedeia"),
    // Smooth, male.
    ("echo", "Iapetus"),
    // British, narrating.
    ("fable", "Puck"),
    // Deep, male.
    ("onyx", "Charon"),
    // Bright, female.
    ("nova", "Zephyr"),
    ("sage", "Sulafat"),
    // Soft, female.
    ("shimmer", "Achernar"),
    ("verse", "Fenrir"),
    ("marin", "Aoede"),
    ("cedar", "Orus"),
];

/// The voice for one of OpenAI's; `None` for any other name, which may be Google's own.
pub(super) fn of_openai(name: &str) -> Option<&'static str> {
    VOICES.iter().find(|(openai, _)| openai.eq_ignore_ascii_case(name)).map(|(_, google)| *google)
}
