//! The command line of the cross-account pipeline.

fn main() -> std::process::ExitCode {
    xacct_cli::run(app::define)
}
