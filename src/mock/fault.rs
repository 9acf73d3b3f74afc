//! Faults: their names, and the set that applies to one request.
//!
//! A list is separated by commas. Times are milliseconds, except the wait of `429:<seconds>`. `<n>` counts content
//! events from 0 (`malformed:0` breaks the first).
//!
//! | Written | Effect |
//! |---|---|
//! | `400` `401` `402` `403` `404` `413` `500` `502` `503` `504` `529` | that status, with the provider's own body |
//! | `429[:<s>]`, `429-quota[:<s>]` | rate limited, or quota used up; the wait in every form that the provider has |
//! | `429-bare` | 429 without any hint |
//! | `context` | the prompt is too long |
//! | `policy` | the provider's policy refuses the prompt |
//! | `delay-head:<ms>` `delay-first:<ms>` `delay-chunk:<ms>` | wait before the head, the first content, each later frame |
//! | `hang`, `hang-after:<n>` | no answer at all; silence after n content events |
//! | `close`, `reset` | end of file or RST before the head |
//! | `close-after:<bytes>` `reset-after:<bytes>` `close-mid-event[:<n>]` | cut the body |
//! | `close-at:<n>` `reset-at:<n>` `end-at:<n>` | cut, or end the body in silence, in the place of content event n |
//! | `repeat-tail:<n>` | who goes on with a begun answer says its last n characters again |
//! | `error-first[:<status>]` `error-after:<n>[:<status>]` | an error inside HTTP 200 |
//! | `empty` `no-terminal` `no-finish` | nothing; without the last event; without the reason and the last event |
//! | `malformed[:<n>]` | a content event that is no JSON |
//! | `split` | one byte at a time |
//! | `crlf` `cr` `comments` | other line ends; a comment before each event |
//! | `content-type:<type>` | another content type |
//! | `html:<status>` | an HTML page, as load balancers answer |

use std::time::Duration;

/// Longest delay: a script must not hold a connection for ever by mistake (`hang` is there for that).
const DELAY_MAX: Duration = Duration::from_hours(1);

/// One named fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The provider's error with this status.
    Status(u16),
    /// A rate limit; the wait is told in every form.
    Limited(Duration),
    /// A used-up quota; the wait is told where the provider tells it.
    Quota(Duration),
    /// A rate limit that tells nothing.
    LimitedBare,
    /// The prompt is too long.
    Context,
    /// The prompt is against the provider's policy.
    Policy,
    /// Wait before the response head.
    DelayHead(Duration),
    /// Wait before the first content event.
    DelayFirst(Duration),
    /// Wait before each frame.
    DelayChunk(Duration),
    /// Never answer.
    Hang,
    /// Fall silent after so many content events.
    HangAfter(u64),
    /// Close before the head.
    Close,
    /// Reset before the head.
    Reset,
    /// Close after so many body bytes.
    CloseAfter(u64),
    /// Reset after so many body bytes.
    ResetAfter(u64),
    /// Close in the place of content event n.
    CloseAt(u64),
    /// Reset in the place of content event n.
    ResetAt(u64),
    /// End the body in the place of content event n, as if nothing was missing.
    EndAt(u64),
    /// Say so many characters of a begun answer again.
    RepeatTail(u64),
    /// Close in the middle of content event n.
    CloseMidEvent(u64),
    /// An error event in place of content event n.
    ErrorAfter(u64, u16),
    /// An error as the very first event.
    ErrorFirst(u16),
    /// A 200 with no body.
    Empty,
    /// Leave out the last event.
    NoTerminal,
    /// Leave out the finish reason, the usage and the last event.
    NoFinish,
    /// Break the JSON of content event n.
    Malformed(u64),
    /// One byte at a time.
    Split,
    /// Lines end in CRLF.
    Crlf,
    /// Lines end in CR.
    Cr,
    /// A comment before each event.
    Comments,
    /// Another content type.
    ContentType(String),
    /// An HTML page with this status.
    Html(u16),
}

impl Fault {
    /// Reads one fault.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, argument) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let number = |default: Option<u64>| -> Result<u64, String> {
            match argument {
                Some(text) => text.parse().map_err(|_| format!("`{text}` is not a number in the fault `{name}`")),
                None => default.ok_or_else(|| format!("the fault `{name}` needs a number: `{name}:<n>`")),
            }
        };
        let millis = || number(None).map(|n| Duration::from_millis(n).min(DELAY_MAX));
        let status = |text: Option<&str>, default: u16| -> Result<u16, String> {
            let status =
                text.map_or(Ok(default), |text| text.parse().map_err(|_| format!("`{text}` is not a status")))?;
            if (400..600).contains(&status) { Ok(status) } else { Err(format!("{status} is not an error status")) }
        };
        Ok(match name {
            "429" => Self::Limited(wait(argument, 1.0)?),
            "429-quota" => Self::Quota(wait(argument, 3600.0)?),
            "429-bare" => Self::LimitedBare,
            "context" => Self::Context,
            "policy" => Self::Policy,
            "delay-head" => Self::DelayHead(millis()?),
            "delay-first" => Self::DelayFirst(millis()?),
            "delay-chunk" => Self::DelayChunk(millis()?),
            "hang" => Self::Hang,
            "hang-after" => Self::HangAfter(number(None)?),
            "close" => Self::Close,
            "reset" => Self::Reset,
            "close-after" => Self::CloseAfter(number(None)?),
            "reset-after" => Self::ResetAfter(number(None)?),
            "close-at" => Self::CloseAt(number(None)?),
            "reset-at" => Self::ResetAt(number(None)?),
            "end-at" => Self::EndAt(number(None)?),
            "repeat-tail" => Self::RepeatTail(number(None)?),
            "close-mid-event" => Self::CloseMidEvent(number(Some(0))?),
            "error-first" => Self::ErrorFirst(status(argument, 503)?),
            "error-after" => {
                let (n, code) = argument
                    .unwrap_or("1")
                    .split_once(':')
                    .map_or_else(|| (argument.unwrap_or("1"), None), |(n, code)| (n, Some(code)));
                let n = n.parse().map_err(|_| format!("`{n}` is not a number in the fault `error-after`"))?;
                Self::ErrorAfter(n, status(code, 503)?)
            }
            "empty" => Self::Empty,
            "no-terminal" => Self::NoTerminal,
            "no-finish" => Self::NoFinish,
            "malformed" => Self::Malformed(number(Some(0))?),
            "split" => Self::Split,
            "crlf" => Self::Crlf,
            "cr" => Self::Cr,
            "comments" => Self::Comments,
            "content-type" => Self::ContentType(argument.unwrap_or("text/plain").to_owned()),
            "html" => Self::Html(status(argument, 502)?),
            _ => match name.parse::<u16>() {
                Ok(code) => Self::Status(status(Some(name), code)?),
                Err(_) => return Err(format!("`{text}` is no fault; `interlingua mock --help` lists them")),
            },
        })
    }

    /// Reads a list; the first mistake is the error.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let text = text.trim();
        let text = text.strip_prefix("fault=").unwrap_or(text);
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Self::parse).collect()
    }
}

fn wait(argument: Option<&str>, default: f64) -> Result<Duration, String> {
    let seconds = match argument {
        Some(text) => text.parse::<f64>().map_err(|_| format!("`{text}` is not a number of seconds"))?,
        None => default,
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("`{seconds}` is not a number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_order() {
        let list = Fault::parse_list("fault=429:2, delay-first:30,error-after:3:529,close-mid-event,content-type:a/b")
            .unwrap();
        assert_eq!(
            list,
            [
                Fault::Limited(Duration::from_secs(2)),
                Fault::DelayFirst(Duration::from_millis(30)),
                Fault::ErrorAfter(3, 529),
                Fault::CloseMidEvent(0),
                Fault::ContentType("a/b".into()),
            ]
        );
        assert_eq!(Fault::parse("503"), Ok(Fault::Status(503)));
        assert_eq!(Fault::parse("error-after"), Ok(Fault::ErrorAfter(1, 503)));
    }

    #[test]
    fn mistakes_are_named() {
        for bad in ["200", "delay-head", "delay-head:x", "429:-1", "429:1e400", "nonsense", "error-first:20"] {
            assert!(Fault::parse(bad).is_err(), "{bad}");
        }
    }
}
