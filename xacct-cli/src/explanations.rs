//! What rules and kinds of failures mean.

/// A rule, or a kind of failure.
pub(crate) struct Explanation {
    /// The stable name.
    pub(crate) name: &'static str,
    /// What is found.
    pub(crate) what: &'static str,
    /// Why it matters.
    pub(crate) why: &'static str,
    /// What to do.
    pub(crate) remedy: &'static str,
}

const fn explain(name: &'static str, what: &'static str, why: &'static str, remedy: &'static str) -> Explanation {
    Explanation { name, what, why, remedy }
}

/// A rule that templates are validated by.
const fn template(name: &'static str, what: &'static str) -> Explanation {
    explain(
        name,
        what,
        "CloudFormation, or the service of the resource, would refuse it: here it is found before anything is deployed.",
        "The finding names the property and its construct. If the rule is wrong about your case, silence it, with a reason: \
         in the program with `node().silence(RULE, REASON)`, or below [silence] in xacct.toml.",
    )
}

/// What a construct finds about how it is used.
const fn construct(name: &'static str, what: &'static str) -> Explanation {
    explain(
        name,
        what,
        "AWS would refuse it when the stack is deployed, or it would fail later, when the resource is used.",
        "The finding stands at the call in the program that is at fault, and says what to change.",
    )
}

/// All that is known.
pub(crate) const EXPLANATIONS: &[Explanation] = &[
    explain(
        "access-denied",
        "The caller, or the role that CloudFormation acts as, may not do something.",
        "Every resource is made with the permissions of the deployer, or of the execution role of the account.",
        "Give that identity the action that the message names, or deploy with another `profile` or `role`.",
    ),
    construct("access-logs", "S3 cannot write access logs to a bucket that is encrypted with a key of yours."),
    explain(
        "account-id",
        "An account id is not exactly twelve digits.",
        "Ids are text: written as a number, a leading zero is lost, and the ARN made of it belongs to nobody.",
        "Write the id in quotes, with all twelve digits.",
    ),
    template("alternatives", "A value fits none, or too many, of the alternatives."),
    construct(
        "artifact-flow",
        "An artifact of a pipeline is used before it is made, made twice, or passed between accounts that cannot read it.",
    ),
    explain(
        "asset",
        "A file or folder that the app needs cannot be read, packed or uploaded.",
        "Assets are uploaded before their stack is deployed; without them it would fail halfway.",
        "Check that the path exists and can be read, and that the account is bootstrapped.",
    ),
    construct("build-specification", "A build project has nothing to read its build specification from."),
    explain(
        "busy",
        "Somebody else works on the stack.",
        "CloudFormation does one operation a stack at a time.",
        "Follow the operation with `logs -f`, and deploy again when it has ended.",
    ),
    explain(
        "cancelled",
        "The update was cancelled.",
        "The stack rolls back to what it was before.",
        "Deploy again when you want the change.",
    ),
    explain(
        "cannot-ask",
        "A question has to be answered, and there is no terminal.",
        "A program that waits for an answer that nobody gives hangs; one that assumes a yes deploys what nobody has seen.",
        "Agree in advance with --yes.",
    ),
    template("circular-dependency", "Resources of a stack need each other."),
    explain(
        "clock",
        "The clock of this machine differs from AWS's by minutes.",
        "Every call is signed with the time, and AWS takes no signature that is more than some minutes old or in the future.",
        "Set the clock, for instance by NTP. In WSL and in virtual machines it can fall behind while the host sleeps: `hwclock -s` sets it.",
    ),
    template("conditional-reference", "What a reference is to may not exist, by its condition."),
    explain(
        "control-policy",
        "A file with a service or resource control policy cannot be read, or is no policy.",
        "What the organization forbids counts in every proof, so that a policy cannot just be left out.",
        "Name the file in xacct.toml, from where that is; the message names the place in the file that AWS would not take.",
    ),
    explain(
        "credentials",
        "There are no credentials for an account, they have expired, or they do not work.",
        "The credentials of all accounts are checked before anything is written.",
        "Log in again (`aws sso login --profile NAME`), or give the account a `profile` or a `role` in xacct.toml.",
    ),
    explain(
        "data-loss",
        "A resource that holds data would be replaced or removed, and its data with it.",
        "A general --yes is given before anybody has seen which data that is.",
        "If it is meant, agree by name: --allow-replace PATH. Otherwise set a removal policy that retains the resource.",
    ),
    template("dependent-properties", "A property calls for another, or rules it out."),
    explain(
        "duplicate-id",
        "Two constructs in the same scope have the same id.",
        "Logical ids are made of the ids on the path: two resources would be one.",
        "Give one of the two another id. Changing the id of what is deployed replaces it.",
    ),
    template("duplicate-name", "Two resources have the same physical name."),
    construct("duplicate-stage", "A pipeline has two stages of the same name."),
    construct("duplicate-variable", "An environment variable is set twice."),
    construct("empty-rule", "A rule does nothing: it has no pattern or schedule, or nothing goes away by it."),
    explain(
        "empty-stack",
        "A stack has no resources.",
        "CloudFormation refuses a template without resources.",
        "Add a resource, or leave the stack out.",
    ),
    template("enum", "A value is not one of the allowed ones."),
    construct("execution-role", "CloudFormation would act with a role that it cannot have."),
    explain(
        "execution-role-place",
        "The role that CloudFormation is to deploy a stack with is in another account, or in the stack itself.",
        "CloudFormation takes a role of the stack's own account, and the role must exist before the stack does.",
        "Make the role in another stack of the same account, one that is deployed before.",
    ),
    explain(
        "execution-role-twice",
        "A stack is given two roles for CloudFormation to deploy it with.",
        "CloudFormation works with one role at a time.",
        "Give the stack one of the two.",
    ),
    explain(
        "export-in-use",
        "An output is imported by another stack.",
        "CloudFormation does not let an export change or go while it is in use.",
        "Deploy the importing stack without the import first, or use another reference strategy.",
    ),
    template("fifo-name", "The name of a FIFO queue or topic must end in .fifo, and only theirs."),
    explain(
        "foreign-construct",
        "A construct of another app is used.",
        "Two apps know nothing of each other's resources: the reference would point to nothing.",
        "Make both in one app, or name the other resource by its ARN with a `from_…` constructor.",
    ),
    template("function-argument", "The argument of an intrinsic function is wrong."),
    construct(
        "include",
        "A template that is taken in cannot be read, clashes with the stack, or lacks what is asked of it.",
    ),
    explain(
        "invalid",
        "The service does not accept the template, or the value of a property.",
        "Nothing is made of what cannot be understood.",
        "The message names the property; the construct's place in the program is below it.",
    ),
    construct("invalid-address", "A text is not a mail address."),
    construct("invalid-arn", "A text is not an ARN of the right kind."),
    explain(
        "invalid-id",
        "The id of a construct is empty or contains `/`.",
        "Paths are ids joined by `/`.",
        "Give the construct an id of letters, digits and dashes.",
    ),
    construct("invalid-name", "AWS would refuse the name."),
    explain(
        "invalid-principal",
        "A policy names a role or user that does not exist.",
        "Key policies, bucket policies and trust policies may only name principals that exist when they are written.",
        "Deploy the stack with the principal first, or trust the account and restrict it with aws:PrincipalArn.",
    ),
    template("item-count", "A list or map has too few or too many items."),
    template("key-lockout", "A key policy lets nobody change it: the key would be lost to its owner."),
    template("length", "A text is too short or too long."),
    explain(
        "locked",
        "Another run of the app is active.",
        "Two runs at once would plan what the other changes, and lose what the other remembers.",
        "Wait for it, or stop the process that is named. The lock goes with its process, however that ends.",
    ),
    explain(
        "logical-id",
        "A logical id is not valid, or is used twice in a stack.",
        "A logical id identifies a resource in its template: 1 to 255 letters and digits, unique.",
        "Change the ids on the path, or the overridden logical id.",
    ),
    explain(
        "missing-capability",
        "The template makes IAM resources or has macros, and that was not acknowledged.",
        "CloudFormation wants to be told that permissions may be made.",
        "Capabilities are derived from the template; if a macro makes more, report it as a bug.",
    ),
    explain(
        "missing-input",
        "A value that comes from another stack is missing.",
        "The other stack is not deployed, or was deployed from a version of the app that did not have the output yet.",
        "Deploy the other stack first.",
    ),
    template("missing-property", "A property that must be given is missing."),
    explain(
        "name-taken",
        "The name belongs to a resource that exists already.",
        "Names that are given must be unique in the account, those of buckets in the world.",
        "Choose another name, leave the name out, or take the resource over with `import`.",
    ),
    explain(
        "needs-recreate",
        "The first creation of the stack, or a deletion, failed.",
        "A stack in ROLLBACK_COMPLETE, ROLLBACK_FAILED or DELETE_FAILED cannot be updated; it can only be deleted and created again.",
        "Deploy again: the plan says that it is deleted first, and what it still holds; data in that has to be named with --allow-replace.",
    ),
    explain(
        "no-resource-policy",
        "A grant needs a policy on a resource that cannot have one.",
        "Access from another account has to be allowed on both sides.",
        "Grant through a role in the resource's account.",
    ),
    explain(
        "no-stack",
        "A resource is not in a stack.",
        "Only stacks are deployed.",
        "Make the construct in a stack, or in a scope within one.",
    ),
    explain(
        "not-a-resource",
        "Something that is for resources is done to another construct.",
        "Groups, outputs and parameters have no properties, attributes or policies.",
        "Do it to the resource: mostly the child `Resource` of a construct.",
    ),
    explain(
        "not-bootstrapped",
        "There is no bucket for assets in an account and region.",
        "Assets and large templates have to be somewhere that CloudFormation can read.",
        "Run `bootstrap` once for the account and region. CDK's bootstrap is accepted too.",
    ),
    explain(
        "not-empty",
        "A bucket or repository still has content.",
        "AWS deletes only what is empty.",
        "Empty it, or set a removal policy that retains it.",
    ),
    construct("not-for-pipelines", "A build project that gets its source elsewhere is run by a pipeline."),
    explain(
        "not-stabilized",
        "A resource did not become ready in time.",
        "CloudFormation waits for a resource to work, and gives up after a while.",
        "Look at the resource's own service for the reason, then deploy again.",
    ),
    template("null", "CloudFormation takes no nulls."),
    construct("out-of-range", "A number is outside of what AWS takes."),
    explain(
        "override",
        "An override names a place that cannot be set.",
        "Overrides work on the rendered template, by a path of property names.",
        "Check the path against the template: `synth --stdout STACK`.",
    ),
    template("pattern", "A text does not look as it must."),
    explain(
        "paused",
        "The stack stands still after a failure, because rollback is disabled.",
        "What was made before the failure is kept, for you to look at.",
        "Mend the cause and deploy again, or go back with `rollback`.",
    ),
    construct(
        "pipeline-structure",
        "A pipeline has too few or too many stages or actions, or they are not in an order that AWS takes.",
    ),
    construct("plain-secret", "A credential would be an environment variable for all to read."),
    explain(
        "policy-size",
        "A policy is larger than AWS allows.",
        "The limits are 10,240 characters for all inline policies of a role, 2,048 for a user, 5,120 for a group, 6,144 for a managed policy.",
        "Grant less, or on fewer and broader resources, or move statements to managed policies.",
    ),
    explain(
        "protected",
        "The stack is protected from being deleted.",
        "Termination protection is on.",
        "If it really should go: destroy --remove-protection.",
    ),
    explain(
        "quota",
        "A quota of the account is used up.",
        "Every service has limits for an account and region.",
        "Ask for more in the Service Quotas console, or remove what is not needed.",
    ),
    template("range", "A number is too small or too large."),
    template("read-only-property", "Only the service sets this property."),
    explain(
        "reference-strategy",
        "A reference between two stacks cannot be made in the way that was asked for.",
        "Exports work only within an account and region; stack outputs only within a partition.",
        "Use another strategy: the default, a parameter that is filled when deploying, works everywhere.",
    ),
    explain(
        "refused",
        "A hook or a validation of the organization refused the change.",
        "Administrators can attach checks to CloudFormation.",
        "The message is theirs; change the resource so that it passes.",
    ),
    explain(
        "region",
        "AWS has no region of that name, or the region does not have a resource type.",
        "A misspelt region would only be found out when nothing can be reached.",
        "Use the name that is proposed. A region newer than this program can be given in the app with `Region::unlisted`.",
    ),
    template("retired-resource-type", "AWS has shut the service of this resource type down."),
    template("retired-runtime", "Lambda takes no new functions with this runtime."),
    explain(
        "role-not-assumable",
        "A role cannot be assumed by who needs it.",
        "Both sides must agree: the role's trust policy, and the permissions of who assumes it.",
        "Check the trust policy of the role; roles in other accounts must exist before the pipeline that uses them.",
    ),
    explain(
        "same-account",
        "Two aliases have the same account id.",
        "Mostly the id of one was copied from the other, and everything would land in one account.",
        "Give one of them the id of another account, or use one alias for both.",
    ),
    template("schedule-expression", "A schedule is neither a right rate(…) nor a right cron(…) expression."),
    explain(
        "secret-in-output",
        "The value of a secret would become an output.",
        "Outputs are readable for everybody who may look at the stack.",
        "Put the ARN of the secret into the output instead.",
    ),
    explain(
        "silence-without-reason",
        "A rule is silenced, and nobody says why.",
        "Whoever reads it later cannot tell whether it is still right.",
        "Write down why the finding does not matter here.",
    ),
    construct("source-without-events", "A bucket is a pipeline's source, and tells nobody about new objects."),
    explain(
        "stack-cycle",
        "Stacks depend on each other in a circle.",
        "None of them could be deployed first.",
        "Move a resource to the other stack, give it a physical name, or take a dependency away. The finding names every edge.",
    ),
    construct("stage-condition", "A condition of a stage is one that CodePipeline does not have."),
    explain(
        "state",
        "What is remembered between runs cannot be read or written.",
        "Without it an interrupted run could not be taken up safely.",
        "Make the folder .xacct writable; the message names the file.",
    ),
    explain(
        "statement",
        "A policy statement is not complete, or contradicts itself.",
        "IAM would refuse the policy, or it would allow something else than was meant.",
        "Give it an effect, actions and resources; in a resource policy principals too.",
    ),
    template(
        "structure",
        "A section, an attribute of a resource, a parameter or an output is not what CloudFormation expects.",
    ),
    explain(
        "stuck",
        "A rollback failed.",
        "The stack can only be mended by continuing the rollback.",
        "Run `rollback`; with --skip LOGICAL_ID for a resource that cannot be rolled back.",
    ),
    template("table-key", "The keys of a table and its attribute definitions differ."),
    explain(
        "template-limit",
        "A template is larger than CloudFormation allows.",
        "The limits are 500 resources, 200 parameters, 200 outputs, 200 mappings and 1 MB.",
        "Move resources to another stack; references between stacks are resolved for you.",
    ),
    explain(
        "timeout",
        "An operation took longer than --timeout allows.",
        "It goes on in AWS; only following it was given up.",
        "Follow it with `logs -f`.",
    ),
    construct("too-many", "There is more of something than AWS takes."),
    explain(
        "unavailable",
        "A service kept throttling, or could not be reached, for too long.",
        "Calls are repeated for a while before giving up.",
        "Run the same command again: it goes on where AWS stands.",
    ),
    template("unique-items", "A list has an item twice."),
    explain(
        "unknown-action",
        "A policy names an action that AWS does not have.",
        "IAM accepts any text, and the permission is then for nothing.",
        "Use the name that is proposed, or look it up in the service authorization reference.",
    ),
    template("unknown-attribute", "Fn::GetAtt names an attribute that the resource type does not have."),
    template("unknown-condition", "There is no such condition."),
    template("unknown-dependency", "DependsOn names a resource that does not exist."),
    template("unknown-function", "There is no such intrinsic function, or not here."),
    explain(
        "unknown-key",
        "The configuration has a key that means nothing.",
        "It is mostly a slip of the hand, and the value would be ignored.",
        "Use the name that is proposed. What an app needs for itself belongs below [context].",
    ),
    template("unknown-mapping", "There is no such mapping, or no such key in it."),
    template("unknown-property", "The resource type has no such property."),
    template("unknown-reference", "Ref or Fn::Sub names what does not exist."),
    template("unknown-resource-type", "CloudFormation has no such resource type."),
    explain(
        "unknown-stack",
        "The app has no stack of that name.",
        "Deploying nothing when something was asked for would be no answer.",
        "`ls` shows all names; `*` and `?` stand for others.",
    ),
    explain(
        "unused-context",
        "The configuration has a value that the app does not use.",
        "It is mostly a slip of the hand, and the app would silently go on with its default.",
        "Use the name that is proposed, or remove the value.",
    ),
    construct("variables", "A variable of a pipeline is used before it is set, or has a name that is taken."),
    explain(
        "wrong-account",
        "The credentials for an account belong to another.",
        "Nothing is ever deployed to another account than the one written in the assembly.",
        "Check the `profile` or `role` of the account in xacct.toml.",
    ),
    template("wrong-type", "A value has the wrong type."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::EXPLANATIONS;

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(EXPLANATIONS.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn every_rule_of_templates_is_explained() {
        for rule in xacct_schema::validate::Rule::ALL {
            assert!(EXPLANATIONS.iter().any(|it| it.name == rule.id()), "{rule}");
        }
    }

    /// The first literal after `Diagnostic::error(` and the like, in every crate that makes findings.
    #[test]
    fn every_finding_of_the_library_is_explained() {
        let mut names = BTreeSet::new();
        for package in ["xacct-core", "xacct-cli", "xacct-constructs"] {
            collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(package).join("src"), &mut names);
        }
        let known: BTreeSet<&str> = EXPLANATIONS.iter().map(|it| it.name).collect();
        let unknown: Vec<_> = names.iter().filter(|it| !known.contains(it.as_str())).collect();
        assert!(names.contains("duplicate-id"));
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    fn collect(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("cfn") {
                collect(&path, names);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for start in ["Diagnostic::error(", "Diagnostic::warning(", ".code("] {
                    for rest in text.split(start).skip(1) {
                        let literal = rest.trim_start().strip_prefix('"').and_then(|it| it.split('"').next());
                        names.extend(literal.filter(|it| !it.contains(' ')).map(str::to_owned));
                    }
                }
            }
        }
    }
}
