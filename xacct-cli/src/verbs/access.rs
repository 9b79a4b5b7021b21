//! `access`: who may do an action on a resource; or every access that the design needs, with its proof.

use serde_json::json;
use xacct_access::estate::{Estate, Resource};
use xacct_access::exposure::{describe, who_can};
use xacct_access::{Report, check_within};

use crate::args::AccessArgs;
use crate::exit::Exit;
use crate::organization::organization;
use crate::problem::{Failure, Problem};
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>, args: &AccessArgs) -> Result<Exit, Failure> {
    let assembly = session.assembly()?;
    let organization = organization(&session.config)?;
    let estate = Estate::new(&assembly).within(&organization);
    match (&args.action, &args.resource) {
        (Some(action), Some(name)) => who(session, &estate, action, name),
        (Some(_), None) => Err(Failure::usage("an action needs a resource to be done on")
            .help("name its construct: access s3:GetObject Tools/Artifacts/Bucket")),
        (None, _) => needed(session, &check_within(&assembly, &organization)),
    }
}

fn who(session: &Session<'_>, estate: &Estate<'_>, action: &str, name: &str) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let resource = find(estate, name)?;
    let found = who_can(estate, action, resource, None)
        .map_err(|error| Failure::usage(format!("`{action}` is not an action: {error}")))?;
    if found.is_empty() {
        terminal.say(&format!("nobody may {action} on {}", describe(estate, &resource.site)));
    }
    for it in found {
        if terminal.json {
            let fields = json!({ "action": action, "resource": describe(estate, &resource.site), "who": it.who,
                "verdict": it.verdict, "grounds": it.grounds });
            terminal.json("who", fields)?;
            continue;
        }
        let verdict =
            if it.verdict == "allowed" { terminal.out.green("may    ") } else { terminal.out.yellow("perhaps") };
        terminal.data(&format!("{verdict} {}", it.who))?;
        it.grounds.iter().try_for_each(|ground| terminal.data(&format!("        {}", terminal.out.dim(ground))))?;
    }
    Ok(Exit::Done)
}

/// A resource by the path of its construct, its logical id or its ARN.
fn find<'a>(estate: &'a Estate<'_>, name: &str) -> Result<&'a Resource, Failure> {
    let path = |it: &Resource| {
        let path = describe(estate, &it.site);
        path.strip_suffix("/Resource").map_or_else(|| path.clone(), str::to_owned)
    };
    let is_named = |it: &&Resource| path(it) == name || it.site.to_string() == name || it.arn.to_string() == name;
    estate.resources.iter().find(is_named).ok_or_else(|| {
        let known: Vec<String> = estate.resources.iter().map(path).collect();
        let problem = Problem::error(format!("there is no resource `{name}`"));
        Failure::new(Exit::Usage, problem.help_nearest(name, known.iter().map(String::as_str)))
    })
}

fn needed(session: &Session<'_>, report: &Report) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    for it in &report.accesses {
        if terminal.json {
            terminal.json("access", it)?;
            continue;
        }
        let sign = match it.verdict.as_str() {
            "allowed" => terminal.out.green("✓"),
            "unknown" => terminal.out.yellow("?"),
            _ => terminal.out.red("✗"),
        };
        terminal.data(&format!(
            "{sign} {}  {}  {}  {}",
            it.who,
            it.action,
            it.resource,
            terminal.out.dim(&it.purpose)
        ))?;
        if terminal.verbose {
            it.grounds.iter().try_for_each(|ground| terminal.data(&format!("    {}", terminal.out.dim(ground))))?;
        }
    }
    Ok(Exit::Done)
}
