//! The commands.

mod agents;
pub mod check;
mod control;
mod demo;
pub(crate) mod explain;
mod mock;
pub mod schema;
mod serve;

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// Anything that a command can end with, said to a person.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Parser)]
#[command(
    name = "interlingua",
    version,
    about = "LLM gateway: any client protocol in, any provider dialect out, over a pool of your own accounts",
    after_help = "Try:    interlingua demo               no key needed: a provider simulator is behind\n\
                  Start:  interlingua serve              with OPENAI_API_KEY, ANTHROPIC_API_KEY, …\n\
                  Grow:   interlingua serve --config interlingua.yaml\n\
                  Ask:    interlingua explain MODEL --config interlingua.yaml\n\
                  Add:    interlingua accounts add ID --provider NAME    asks for the key; no file is needed\n\
                  Look:   interlingua accounts status    the running gateway's accounts, and why some rest"
)]
struct Cli {
    #[command(flatten)]
    log: Log,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Log {
    /// What to log: a level (error, warn, info, debug, trace), or filters such as `info,interlingua::access=off`
    #[arg(long, global = true, env = "INTERLINGUA_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
    /// How log lines look
    #[arg(long, global = true, env = "INTERLINGUA_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients
    Serve(serve::Arguments),
    /// Check a configuration file: all of its mistakes, with line and suggestion
    Check {
        /// The file
        #[arg(default_value = "interlingua.yaml")]
        file: PathBuf,
    },
    /// Tell where a model goes: rule, candidates in order with reasons, lane and losses
    Explain(explain::Arguments),
    Accounts(Box<control::Accounts>),
    Models(control::Models),
    Mapping(control::Mapping),
    Breaker(control::Breaker),
    Clients(control::Clients),
    Cooldowns(control::Cooldowns),
    SafeMode(control::SafeMode),
    Quota(control::Quota),
    Warmup(control::Warmup),
    Pause(control::Pause),
    Resume(control::Resume),
    Reload(control::Reload),
    Agents(agents::Agents),
    Vault(control::Vault),
    Logs(control::Logs),
    Usage(control::Usage),
    Audit(control::Audit),
    /// Serve as a provider simulator: all four dialects, scripted faults
    Mock(mock::Arguments),
    /// Serve with a provider simulator behind: nothing leaves this machine, no key is needed
    Demo {
        /// Address for clients
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
    },
    /// Print the JSON Schema of the configuration file, for editors
    Schema,
    /// Print what completes this program's commands in a shell: `source <(interlingua completions bash)`
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Runs the command that the process was called with. Exit codes: 0 done, 1 failed, 2 not understood.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = start_log(&cli.log) {
        return fail(&error);
    }
    let result = match cli.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check { file } => {
            check::run(&file, &serve::environment).map_err(Failure::from).and_then(|text| print(&text))
        }
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Accounts(command) => command.run(),
        Command::Models(command) => command.run(),
        Command::Mapping(command) => command.run(),
        Command::Breaker(command) => command.run(),
        Command::Clients(command) => command.run(),
        Command::Cooldowns(command) => command.run(),
        Command::SafeMode(command) => command.run(),
        Command::Quota(command) => command.run(),
        Command::Warmup(command) => command.run(),
        Command::Pause(command) => command.run(),
        Command::Resume(command) => command.run(),
        Command::Reload(command) => command.run(),
        Command::Agents(command) => command.run(),
        Command::Vault(command) => command.run(),
        Command::Logs(command) => command.run(),
        Command::Usage(command) => command.run(),
        Command::Audit(command) => command.run(),
        Command::Mock(arguments) => mock::run(arguments),
        Command::Demo { listen } => demo::run(listen),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "interlingua", &mut text);
            print(&String::from_utf8_lossy(&text))
        }
        Command::Schema => schema::run().map_err(Failure::from).and_then(|text| print(&text)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Writes a command's result to standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn fail(error: &Failure) -> ExitCode {
    // Nothing is left to be done when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{error}");
    ExitCode::FAILURE
}

fn start_log(log: &Log) -> Result<(), Failure> {
    // Pingora tells of every connection; its warnings and errors are enough unless the operator asks for more. The watcher of
    // files tells of each change in the folder of the configuration: with the log there, each line would make the next.
    let quiet = "notify=info,pingora=warn,pingora_core=warn,pingora_proxy=warn,pingora_load_balancing=warn";
    let filter = EnvFilter::try_new(format!("{quiet},{}", log.log))
        .map_err(|error| format!("--log {}: {error}; try 'info' or 'debug'", log.log))?;
    // Below that level Pingora writes whole headers, with keys in them: whatever is asked for, these lines are not said.
    let said = filter_fn(|line| !line.target().starts_with("pingora") || *line.level() <= Level::INFO);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(said)).with(filter).init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
