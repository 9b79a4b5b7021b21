//! Exit codes: what a script can rely on.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; that nothing had to be changed is success too.
    Done,
    /// Something broke that is neither the user's program nor AWS: a file that cannot be written, a bug.
    Internal,
    /// Differences or drift, where `--exit-code` asks.
    Differences,
    /// A deployment failed.
    DeployFailed,
    /// The program's definitions break rules.
    Rules,
    /// Credentials are missing, or belong to another account.
    Credentials,
    /// The user declined.
    Declined,
    /// The invocation or the configuration is wrong.
    Usage,
    /// Interrupted.
    Interrupted,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Internal => 1,
            Self::Differences => 2,
            Self::DeployFailed => 3,
            Self::Rules => 4,
            Self::Credentials => 5,
            Self::Declined => 6,
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
