//! What failed in a run: the cause first, with its place in the program and what to do.

use serde_json::json;
use xacct_core::Assembly;
use xacct_core::assembly::StackArtifact;
use xacct_deploy::event::StackInfo;
use xacct_deploy::{Cause, CauseKind, Outcome, path_of};

use crate::cloud::Cloud;
use crate::console::stack_page;
use crate::follow::Ended;
use crate::report;
use crate::session::{Session, quoted, same_command};
use crate::terminal::Style;

/// Tells of every asset and every stack that failed.
pub(crate) fn tell(session: &Session<'_>, cloud: &Cloud, ended: &Ended, assembly: &Assembly) {
    let terminal = &session.terminal;
    if terminal.json {
        return;
    }
    let teller = Teller { session, cloud, ended, assembly };
    for failed in &ended.assets {
        let place = format!("asset {} for {}", failed.name, failed.environment);
        terminal.err_line(&teller.asset(&failed.cause, &failed.name, &place));
    }
    for info in &ended.stacks {
        let Some(Outcome::Failed { status, causes }) = ended.summary.stacks.get(&info.id) else { continue };
        let status = status.as_deref();
        // One cause is what the user needs; what follows from it only if asked for. But a rollback that failed is news of its own.
        let (shown, rest): (Vec<_>, Vec<_>) = causes.iter().enumerate().partition(|(index, cause)| {
            *index == 0 || terminal.verbose || cause.kind == CauseKind::Stuck && causes[0].kind != CauseKind::Stuck
        });
        for (_, cause) in shown {
            terminal.err_line(&teller.stack(cause, causes, info, status));
        }
        if !rest.is_empty() {
            terminal.err_line(&format!("  … and {} more with -v", rest.len()));
        }
    }
}

struct Teller<'a> {
    session: &'a Session<'a>,
    cloud: &'a Cloud,
    ended: &'a Ended,
    assembly: &'a Assembly,
}

impl Teller<'_> {
    fn stack(&self, cause: &Cause, causes: &[Cause], info: &StackInfo, status: Option<&str>) -> String {
        let artifact = self.assembly.stacks.iter().find(|it| it.id == info.id);
        let name = subject(cause, &info.display_name, artifact);
        let next = self.next(cause, causes, info, artifact, status);
        // A record that cannot be written says nothing about the stack.
        let unknown = (cause.kind == CauseKind::State).then_some("is as `status` shows");
        let page = self.ended.stack_ids.get(&info.id).filter(|_| !self.cloud.is_local());
        let page = page.and_then(|it| stack_page(&info.environment, it));
        let name = page.map_or(name.clone(), |it| self.session.terminal.err.link(&it, &name));
        self.render(cause, &name, &next, &state(self.ended, &info.id, status.or(unknown)))
    }

    fn asset(&self, cause: &Cause, name: &str, place: &str) -> String {
        let mut located = cause.clone();
        if located.location.is_none() {
            located.location = self.location_below(name);
        }
        let next = match cause.code.as_deref() {
            Some("NoSuchBucket") => vec![self.command("bootstrap")],
            _ => Vec::new(),
        };
        self.render(&located, place, &next, "nothing of the stacks that need it was started; it is safe to run again")
    }

    /// Where the program made something at or below a construct: an asset has no resource of its own.
    fn location_below(&self, path: &str) -> Option<xacct_core::SourceLocation> {
        let stacks = || self.assembly.stacks.iter();
        let mut origins = stacks().flat_map(|it| it.origins.values());
        let is_below = |it: &str| it.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        origins.find(|it| is_below(&it.path)).and_then(|it| it.location.clone()).or_else(|| {
            let holder = stacks().find(|it| path.starts_with(&format!("{}/", it.display_name)));
            holder.and_then(|it| it.location.clone())
        })
    }

    fn command(&self, verb: &str) -> String {
        self.cloud.command(self.session, verb)
    }

    /// Commands that mend it, the likeliest first.
    fn next(
        &self,
        cause: &Cause,
        causes: &[Cause],
        info: &StackInfo,
        artifact: Option<&StackArtifact>,
        status: Option<&str>,
    ) -> Vec<String> {
        let stack = quoted(&info.display_name);
        match (cause.kind, status) {
            (CauseKind::Stuck, _) => {
                let stuck = causes.iter().filter(|it| it.kind == CauseKind::Stuck && it.nested.is_empty());
                let skip: String =
                    stuck.filter_map(|it| it.logical_id.as_ref()).map(|id| format!(" --skip {id}")).collect();
                let plain = self.command(&format!("rollback {stack}"));
                if skip.is_empty() { vec![plain] } else { vec![format!("{plain}  (or with{skip})")] }
            }
            (CauseKind::DataLoss, _) => {
                let losing = causes.iter().filter(|it| it.kind == CauseKind::DataLoss);
                let path = |it: &Cause| agreed_by(it, &info.display_name, artifact);
                let flags: String = losing.map(|it| format!(" --allow-replace {}", quoted(&path(it)))).collect();
                vec![format!("{}{flags}", same_command())]
            }
            (CauseKind::Paused, _) => {
                vec![self.command(&format!("rollback {stack}")), format!("{} --no-rollback", same_command())]
            }
            (_, Some("CREATE_FAILED" | "UPDATE_FAILED")) => vec![self.command(&format!("rollback {stack}"))],
            (CauseKind::ExportInUse, status) => {
                let verb = if status.is_some_and(|it| it.starts_with("DELETE")) { "destroy" } else { "deploy" };
                let importers = self.assembly.stacks.iter().filter(|it| is_importer(&cause.message, &it.stack_name));
                let names: String = importers.map(|it| format!(" {}", quoted(&it.display_name))).collect();
                if names.is_empty() { Vec::new() } else { vec![self.command(&format!("{verb}{names}"))] }
            }
            (CauseKind::Protected, _) => vec![self.command(&format!("destroy {stack} --remove-protection"))],
            (_, Some("DELETE_FAILED")) => vec![self.command(&format!("destroy {stack} --keep-what-fails"))],
            (CauseKind::Busy | CauseKind::Timeout, _) => vec![self.command(&format!("logs -f {stack}"))],
            (CauseKind::InvalidPrincipal | CauseKind::RoleNotAssumable, _) => {
                let first = self.assembly.stacks.iter().filter(|it| cause.deploy_first.contains(&it.id));
                let names: String = first.map(|it| format!(" {}", quoted(&it.display_name))).collect();
                if names.is_empty() { Vec::new() } else { vec![self.command(&format!("deploy{names}"))] }
            }
            (CauseKind::NameTaken, _) => {
                import(cause, info, artifact).map(|it| self.command(&it)).into_iter().collect()
            }
            (CauseKind::Credentials, _) => {
                let account = self.session.config.accounts.values();
                let mut account = account.filter(|it| it.id.value.as_str() == info.environment.account);
                let profile = account.next().and_then(|it| it.profile.as_ref());
                profile.map(|it| format!("aws sso login --profile {}", quoted(&it.value))).into_iter().collect()
            }
            (CauseKind::MissingInput, _) if cause.deploy_first.is_empty() => {
                let open: String =
                    artifact.into_iter().flat_map(open_parameters).map(|it| parameter(info, it)).collect();
                if open.is_empty() { Vec::new() } else { vec![format!("{}{open}", same_command())] }
            }
            (CauseKind::MissingInput, _) => {
                let first = self.assembly.stacks.iter().filter(|it| cause.deploy_first.contains(&it.id));
                first.map(|it| self.command(&format!("deploy {}", quoted(&it.display_name)))).collect()
            }
            (CauseKind::Other, _) => vec![self.command(&format!("logs {stack}"))],
            _ => Vec::new(),
        }
    }

    /// A cause in the form of an error message of several lines.
    fn render(&self, cause: &Cause, name: &str, next: &[String], state: &str) -> String {
        let style = &self.session.terminal.err;
        let kind = if cause.kind == CauseKind::Other { String::new() } else { format!("[{}]", kind_name(cause.kind)) };
        let mut lines = vec![format!(
            "{} {}",
            style.red(&style.bold(&format!("error{kind}:"))),
            style.bold(&format!("{name} failed"))
        )];
        let bar = style.red("│");
        let verbose = self.session.terminal.verbose;
        let message = if verbose { cause.message.as_str() } else { plain(&cause.message) };
        for line in message.lines() {
            lines.extend(wrap(line, style.width.saturating_sub(4)).into_iter().map(|it| format!("  {bar} {it}")));
        }
        let mut rows = Vec::new();
        rows.extend(cause.detail.as_ref().map(|it| ("cause", it.clone())));
        rows.extend(cause.location.as_ref().map(|it| ("at", place(it, style))));
        rows.extend(cause.template_path.as_ref().map(|it| ("in", it.clone())));
        rows.extend(cause.operation.as_ref().map(|it| {
            let code = cause.code.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
            ("call", format!("{it}{code}"))
        }));
        let help = cause.help.as_deref().unwrap_or("look at everything that happened, then mend it and deploy again");
        rows.push(("help", help.to_owned()));
        rows.extend(next.iter().map(|it| ("run", it.clone())));
        rows.push(("again", same_command()));
        rows.push(("state", state.to_owned()));
        let last = rows.len() - 1;
        for (index, (what, text)) in rows.iter().enumerate() {
            let corner = style.red(if index == last { "└" } else { "├" });
            // A command and a place are pasted and clicked: they stay in one piece.
            let in_one_piece = matches!(*what, "run" | "again" | "at");
            let width = if in_one_piece { usize::MAX } else { style.width.saturating_sub(11) };
            let mut parts = wrap(text, width).into_iter();
            lines.push(format!("  {corner} {what:<6} {}", parts.next().unwrap_or_default()));
            let edge = if index == last { " ".to_owned() } else { bar.clone() };
            lines.extend(parts.map(|it| format!("  {edge}        {it}")));
        }
        lines.join("\n")
    }
}

/// `app/src/lib.rs:41  artifacts.grant_read(&build)`.
fn place(location: &xacct_core::SourceLocation, style: &Style) -> String {
    let line = report::source_line(location).map(|it| format!("  {}", style.dim(&it))).unwrap_or_default();
    let file = format!("{}:{}", location.file, location.line);
    let link = report::find(&location.file).map(|it| style.link(&format!("file://{}", it.display()), &file));
    format!("{}{line}", link.unwrap_or(file))
}

/// What the service says, without the wrapping that CloudFormation gives it. `-v` shows all.
fn plain(message: &str) -> &str {
    let inner = message
        .strip_prefix("Resource handler returned message: \"")
        .and_then(|it| it.rsplit_once("\" (RequestToken:"))
        .map_or(message, |(inner, _)| inner);
    let end = inner.find(" (Service: ").unwrap_or(inner.len());
    if end == 0 { inner } else { &inner[..end] }
}

/// Whether a message says that an export is in use by a stack: `… as it is in use by A, B and C.`
fn is_importer(message: &str, stack: &str) -> bool {
    let importers = message.split(" by ").last().unwrap_or_default();
    importers.split(|it: char| it.is_whitespace() || ",.".contains(it)).any(|it| it == stack)
}

/// The parameters of a stack that nobody gives a value.
fn open_parameters(artifact: &StackArtifact) -> impl Iterator<Item = &str> {
    let declared = artifact.template["Parameters"].as_object().into_iter().flatten();
    let is_open = |name: &String, declaration: &serde_json::Value| {
        declaration.get("Default").is_none()
            && !artifact.parameters.contains_key(name)
            && !artifact.inputs.iter().any(|it| it.parameter == *name)
    };
    declared.filter(move |(name, declaration)| is_open(name, declaration)).map(|(name, _)| name.as_str())
}

fn parameter(info: &StackInfo, name: &str) -> String {
    format!(" --parameters {}", quoted(&format!("{}:{name}=VALUE", info.display_name)))
}

/// The command that takes over what has the name already, where the template says what its identifiers are. What belongs to another
/// stack cannot be taken over.
fn import(cause: &Cause, info: &StackInfo, artifact: Option<&StackArtifact>) -> Option<String> {
    if cause.detail.is_some() || cause.message.contains("already exists in stack") || !cause.nested.is_empty() {
        return None;
    }
    let logical_id = cause.logical_id.as_ref()?;
    let resource = artifact?.template["Resources"].get(logical_id)?;
    let schema = xacct_schema::resource_type(resource["Type"].as_str()?)?;
    let identifier = |name: &str| {
        let value = resource["Properties"].get(name)?.as_str()?;
        Some(format!("{name}={value}"))
    };
    let identifiers: Vec<String> = schema.primary_identifier().map(identifier).collect::<Option<_>>()?;
    let path = cause.path.as_deref().unwrap_or(logical_id);
    let resource = format!("{}:{}", path.strip_suffix("/Resource").unwrap_or(path), identifiers.join(","));
    (!identifiers.is_empty()).then(|| format!("import {} {}", quoted(&info.display_name), quoted(&resource)))
}

/// The path by which one agrees to a loss: of the resource, or of the nested stack that it is in.
fn agreed_by(cause: &Cause, stack: &str, artifact: Option<&StackArtifact>) -> String {
    let id = cause.nested.first().or(cause.logical_id.as_ref()).map(String::as_str).unwrap_or_default();
    let origin = artifact.and_then(|it| it.origins.get(id)).map(|it| it.path.as_str());
    path_of(stack, id, origin)
}

/// `Tools/Artifacts/Key (AWS::KMS::Key)`.
fn subject(cause: &Cause, stack: &str, artifact: Option<&StackArtifact>) -> String {
    let Some(logical_id) = &cause.logical_id else { return stack.to_owned() };
    let origin = artifact.and_then(|it| it.origins.get(logical_id)).map(|it| it.path.clone());
    let nested = cause.nested.iter().map(|it| format!("{it}/")).collect::<String>();
    let path = cause.path.clone().or(origin).unwrap_or_else(|| format!("{stack}/{nested}{logical_id}"));
    let path = path.strip_suffix("/Resource").unwrap_or(&path);
    match &cause.resource_type {
        Some(kind) => format!("{path} ({kind})"),
        None => path.to_owned(),
    }
}

/// What the stacks are now: `Tools ROLLBACK_COMPLETE; Production deployed; Reports not started`.
fn state(ended: &Ended, failed: &str, status: Option<&str>) -> String {
    let mut parts = Vec::new();
    for info in &ended.stacks {
        let name = &info.display_name;
        if info.id == failed {
            // Without a status, what was started is not known to have ended.
            let unknown = if ended.stack_ids.contains_key(failed) { "in an unknown state" } else { "as before" };
            parts.insert(0, format!("{name} {}", status.unwrap_or(unknown)));
            continue;
        }
        match ended.summary.stacks.get(&info.id) {
            Some(Outcome::Deployed { .. } | Outcome::Unchanged { .. }) => parts.push(format!("{name} deployed")),
            Some(Outcome::HeldBack { because }) if because.iter().any(|it| it == failed) => {
                parts.push(format!("{name} not started"));
            }
            _ => {}
        }
    }
    parts.push("it is safe to run again".to_owned());
    parts.join("; ")
}

/// The name of a kind of failure, as JSON has it and `explain` knows it.
pub(crate) fn kind_name(kind: CauseKind) -> String {
    json!(kind).as_str().unwrap_or_default().to_owned()
}

/// Breaks a text at spaces.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width.max(20) {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn the_wrapping_of_a_message_is_left_out() {
        let wrapped = "Resource handler returned message: \"Policy contains a statement with one or more invalid principals. \
                       (Service: Kms, Status Code: 400, Request ID: 1) (SDK Attempt Count: 1)\" (RequestToken: 2, HandlerErrorCode: \
                       InvalidRequest)";
        assert_eq!(plain(wrapped), "Policy contains a statement with one or more invalid principals.");
        assert_eq!(plain("Jobs already exists in stack arn"), "Jobs already exists in stack arn");
        assert_eq!(plain("(Service: x)"), "(Service: x)");
    }
}
