//! Compares dlm with other ways to take a lock, each through a client that Rust programs
//! use, all in one run on one machine.
//!
//! - `systems`: the systems, how they are started, and how a worker takes a lock in each
//! - `scenario`: what the workers do
//! - `measure`: one measurement of one system
//! - `plan`: all measurements, in rounds
//! - `report`: medians and ratios, as text and as JSON
//! - `machine`: what the figures depend on

mod machine;
mod measure;
mod plan;
mod report;
mod scenario;
mod systems;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Compare dlm with other ways to take a lock, side by side in one run.
///
/// Systems that are not installed are left out, and the report says which.
#[derive(Debug, Parser)]
struct Arguments {
    /// The `dlm-server` to measure; build it in release mode.
    #[arg(long)]
    dlm_server: PathBuf,
    /// An empty Postgres database, for dlm and for a lock table written by hand.
    #[arg(long)]
    postgres_url: Option<String>,
    /// Directory for the data of the started systems; must be on a real disk.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Rounds; in each, every system is measured once in every scenario.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Duration of each measurement, in seconds.
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Duration of the warm-up before each measurement, in seconds.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    warm_up: f64,
    /// Only these scenarios, by the names in the report.
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// Only these systems, by the names in the report. One that is not installed is an error.
    #[arg(long = "system", value_name = "NAME")]
    systems: Vec<String>,
    /// Write the report to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the report to this file, as Markdown.
    #[arg(long)]
    markdown: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let bounds = 0.0..=86_400.0;
    if bounds.contains(&seconds) { Ok(seconds) } else { Err("must be 0 to 86400".into()) }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(BoxError::from).and_then(|runtime| runtime.block_on(run(&arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dlm-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), BoxError> {
    std::fs::create_dir_all(&arguments.directory)?;
    let machine = machine::Machine::describe(&arguments.directory)?;
    let scenarios = plan::scenarios(&arguments.scenarios)?;
    let systems = systems::Systems::start(&systems::Setup {
        dlm_server: &arguments.dlm_server,
        postgres_url: arguments.postgres_url.as_deref(),
        directory: &arguments.directory,
        only: &arguments.systems,
    })
    .await?;
    let durations = plan::Durations {
        warm_up: Duration::from_secs_f64(arguments.warm_up),
        measurement: Duration::from_secs_f64(arguments.seconds),
    };
    let measured = plan::run(&systems, &scenarios, arguments.rounds, durations).await?;
    let report = report::Report::new(machine, &systems, measured);
    print!("{}", report.to_markdown());
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(path) = &arguments.markdown {
        std::fs::write(path, report.to_markdown())?;
    }
    Ok(())
}
