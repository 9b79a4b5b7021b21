//! What an assembly will make, as far as access is concerned: principals and resources, each with its policies, over all
//! stacks and accounts.
//!
//! Names and ARNs are written out where the templates give them. What only AWS will know (the id of a key) is a symbol,
//! the same one wherever it is referred to, also across stacks.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use xacct_core::assembly::{Assembly, Origin, Scoped, StackArtifact};

use crate::expression::{Environment, Expression, Texts};
use crate::organization::Organization;
use crate::policy::{Policy, PolicyKind};
use crate::principal::Principal;
use crate::symbol::{Symbol, SymbolKind};
use crate::text::Text;

/// The place of a resource: which stack, which logical id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The id of the stack's artifact.
    pub stack: String,
    /// The logical id in its template.
    pub logical_id: String,
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.stack, self.logical_id)
    }
}

/// A policy of the estate, and where it comes from.
#[derive(Clone, Debug)]
pub struct Attached {
    /// The policy.
    pub policy: Policy,
    /// The resource that holds the document. `None` for one that is only named, such as AWS's own.
    pub site: Option<Site>,
    /// The JSON pointer of the document within the resource's properties.
    pub pointer: String,
}

/// A role or user of the estate.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Where it is defined.
    pub site: Site,
    /// Its ARN.
    pub arn: Text,
    /// Its account.
    pub account: String,
    /// Whether it is a user; else it is a role.
    pub is_user: bool,
    /// Its policies, own and attached, also those of its groups.
    pub policies: Vec<Attached>,
    /// Its permissions boundary.
    pub boundary: Option<Attached>,
}

impl Identity {
    /// The principal as it makes requests: a user itself, a role as a session.
    #[must_use]
    pub fn caller(&self) -> Principal {
        if self.is_user {
            return Principal::user(self.arn.clone());
        }
        let session = Symbol::new(&format!("{}:session", self.site), SymbolKind::Name);
        Principal::session(self.arn.clone(), session)
    }
}

/// A resource of the estate that access is about.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Where it is defined.
    pub site: Site,
    /// Its CloudFormation type.
    pub kind: String,
    /// Its ARN.
    pub arn: Text,
    /// Its account.
    pub account: String,
    /// Its policy, for a role its trust policy.
    pub policy: Option<Attached>,
}

/// A document that is no policy.
#[derive(Clone, Debug)]
pub struct BadPolicy {
    /// The resource that holds it.
    pub site: Site,
    /// Where in its properties.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// All of an assembly's principals, resources and policies.
#[derive(Debug)]
pub struct Estate<'a> {
    /// The assembly.
    pub assembly: &'a Assembly,
    /// Its roles and users.
    pub identities: Vec<Identity>,
    /// Everything that has an ARN.
    pub resources: Vec<Resource>,
    /// Policy documents that cannot be read.
    pub bad: Vec<BadPolicy>,
    /// What the organization says over the accounts.
    pub organization: Organization,
    known: Known<'a>,
    /// The aliases of each key that has any.
    aliases: BTreeMap<Site, Vec<Text>>,
}

/// What references stand for.
#[derive(Debug, Default)]
struct Known<'a> {
    stacks: BTreeMap<&'a str, Stack<'a>>,
    /// Names that AWS will make are written like those, instead of being symbols.
    made_up: bool,
}

#[derive(Debug)]
struct Stack<'a> {
    artifact: &'a StackArtifact,
    environment: Environment,
    /// What deploy-time inputs and default values come to.
    parameters: BTreeMap<String, Text>,
}

impl<'a> Estate<'a> {
    /// Reads an assembly.
    #[must_use]
    pub fn new(assembly: &'a Assembly) -> Estate<'a> {
        Estate::read(assembly, Known::default())
    }

    /// Reads an assembly, with names in place of those that AWS will make: unlike any other, and like those in form. It is
    /// for the question who *else* gets in, where each resource's unknown name could otherwise be any other's.
    #[must_use]
    pub fn with_made_up_names(assembly: &'a Assembly) -> Estate<'a> {
        Estate::read(assembly, Known { made_up: true, ..Known::default() })
    }

    /// The same under the policies of an organization.
    #[must_use]
    pub fn within(mut self, organization: &Organization) -> Estate<'a> {
        self.organization = organization.clone();
        self
    }

    fn read(assembly: &'a Assembly, mut known: Known<'a>) -> Estate<'a> {
        for stack in &assembly.stacks {
            let parameters = known.parameters(stack);
            let environment = Environment {
                scope: stack.id.clone(),
                partition: Some(stack.environment.region.partition().to_owned()),
                region: Some(stack.environment.region.to_string()),
                account: Some(stack.environment.account.to_string()),
            };
            known.stacks.insert(&stack.id, Stack { artifact: stack, environment, parameters });
        }
        let mut estate = Estate {
            assembly,
            identities: Vec::new(),
            resources: Vec::new(),
            bad: Vec::new(),
            organization: Organization::default(),
            known,
            aliases: BTreeMap::new(),
        };
        estate.read_resources();
        estate.read_aliases();
        estate.read_policies();
        estate
    }

    /// Every resource of the templates: where it is, its type, its properties.
    pub fn defined(&self) -> impl Iterator<Item = (Site, &'a str, &'a Json)> + '_ {
        self.assembly.stacks.iter().flat_map(|stack| {
            let resources = stack.template.get("Resources").and_then(Json::as_object).into_iter().flatten();
            resources.map(move |(logical_id, json)| {
                let site = Site { stack: stack.id.clone(), logical_id: logical_id.clone() };
                (site, json["Type"].as_str().unwrap_or_default(), &json["Properties"])
            })
        })
    }

    /// The properties at a site.
    #[must_use]
    pub fn properties(&self, site: &Site) -> &'a Json {
        const NOTHING: &Json = &Json::Null;
        self.known
            .stacks
            .get(site.stack.as_str())
            .map_or(NOTHING, |stack| &stack.artifact.template["Resources"][&site.logical_id]["Properties"])
    }

    /// The construct behind a site.
    #[must_use]
    pub fn origin(&self, site: &Site) -> Option<&'a Origin> {
        self.known.stacks.get(site.stack.as_str())?.artifact.origins.get(&site.logical_id)
    }

    /// The stack of a site.
    #[must_use]
    pub fn stack(&self, site: &Site) -> Option<&'a StackArtifact> {
        Some(self.known.stacks.get(site.stack.as_str())?.artifact)
    }

    /// An expression of a stack's template as text. `None` where it is no text, as with a list.
    #[must_use]
    pub fn text(&self, stack: &str, expression: &Json) -> Option<Text> {
        self.known.text(stack, expression)
    }

    /// A value of the assembly as text.
    #[must_use]
    pub fn scoped(&self, value: &Scoped) -> Option<Text> {
        match &value.stack {
            Some(stack) => self.known.text(stack, &value.expression),
            None => value.expression.as_str().map(Text::from),
        }
    }

    /// The resource with that ARN.
    #[must_use]
    pub fn resource(&self, arn: &Text) -> Option<&Resource> {
        self.resources.iter().find(|it| it.arn == *arn)
    }

    /// The resource at a site.
    #[must_use]
    pub fn resource_at(&self, site: &Site) -> Option<&Resource> {
        self.resources.iter().find(|it| it.site == *site)
    }

    /// The role or user with that ARN.
    #[must_use]
    pub fn identity(&self, arn: &Text) -> Option<&Identity> {
        self.identities.iter().find(|it| it.arn == *arn)
    }

    /// The aliases of a key, such as `alias/artifacts`.
    #[must_use]
    pub fn aliases(&self, key: &Resource) -> Vec<Text> {
        self.aliases.get(&key.site).cloned().unwrap_or_default()
    }

    fn read_aliases(&mut self) {
        let mut aliases: BTreeMap<Site, Vec<Text>> = BTreeMap::new();
        for (site, kind, properties) in self.defined() {
            if kind != "AWS::KMS::Alias" {
                continue;
            }
            let text = |property: &str| self.text(&site.stack, &properties[property]);
            let (Some(target), Some(name)) = (text("TargetKeyId"), text("AliasName")) else { continue };
            let id = format!("key/{target}");
            let is_meant = |arn: &Text| *arn == target || arn.arn_part(5).is_some_and(|it| it.to_string() == id);
            for key in self.resources.iter().filter(|it| it.kind == "AWS::KMS::Key" && is_meant(&it.arn)) {
                aliases.entry(key.site.clone()).or_default().push(name.clone());
            }
        }
        self.aliases = aliases;
    }

    fn read_resources(&mut self) {
        let mut resources = Vec::new();
        for (site, kind, _) in self.defined() {
            let Some(arn) = self.known.arn(&site) else { continue };
            let account = self.known.account(&site.stack);
            resources.push(Resource { site, kind: kind.to_owned(), arn, account, policy: None });
        }
        self.resources = resources;
        let identities = self.resources.iter().filter_map(|it| {
            let is_user = match it.kind.as_str() {
                "AWS::IAM::Role" => false,
                "AWS::IAM::User" => true,
                _ => return None,
            };
            Some(Identity {
                site: it.site.clone(),
                arn: it.arn.clone(),
                account: it.account.clone(),
                is_user,
                policies: Vec::new(),
                boundary: None,
            })
        });
        self.identities = identities.collect();
    }

    fn read_policies(&mut self) {
        let defined: Vec<(Site, &str, &Json)> = self.defined().collect();
        for (site, kind, properties) in &defined {
            match *kind {
                "AWS::IAM::Role" | "AWS::IAM::User" | "AWS::IAM::Group" => self.read_principal(site, properties),
                "AWS::IAM::Policy"
                | "AWS::IAM::ManagedPolicy"
                | "AWS::IAM::RolePolicy"
                | "AWS::IAM::UserPolicy"
                | "AWS::IAM::GroupPolicy" => self.read_attached(site, kind, properties),
                "AWS::KMS::Key" => self.set_policy(site, site, "KeyPolicy"),
                "AWS::S3::BucketPolicy" => self.policy_of(site, &properties["Bucket"], "PolicyDocument"),
                "AWS::SecretsManager::ResourcePolicy" => {
                    self.policy_of(site, &properties["SecretId"], "ResourcePolicy");
                }
                "AWS::SNS::TopicPolicy" | "AWS::SQS::QueuePolicy" => {
                    let list = if *kind == "AWS::SNS::TopicPolicy" { "Topics" } else { "Queues" };
                    for target in properties[list].as_array().into_iter().flatten() {
                        self.policy_of(site, target, "PolicyDocument");
                    }
                }
                _ => {}
            }
        }
    }

    fn read_principal(&mut self, site: &Site, properties: &Json) {
        if self.properties(site).get("AssumeRolePolicyDocument").is_some() {
            self.set_policy(site, site, "AssumeRolePolicyDocument");
        }
        let mut found = Vec::new();
        for (index, inline) in properties["Policies"].as_array().into_iter().flatten().enumerate() {
            let name = format!("{site}/{}", inline["PolicyName"].as_str().unwrap_or("inline"));
            found.extend(self.parse(PolicyKind::Identity, &name, site, &format!("/Policies/{index}/PolicyDocument")));
        }
        for managed in properties["ManagedPolicyArns"].as_array().into_iter().flatten() {
            found.extend(self.managed(&site.stack, managed));
        }
        let boundary = properties.get("PermissionsBoundary").and_then(|it| self.managed(&site.stack, it));
        for index in self.members(site) {
            self.identities[index].policies.extend(found.iter().cloned());
            if boundary.is_some() && self.identities[index].site == *site {
                self.identities[index].boundary.clone_from(&boundary);
            }
        }
    }

    /// A policy resource that names those it is for.
    fn read_attached(&mut self, site: &Site, kind: &str, properties: &Json) {
        let name = site.to_string();
        let Some(attached) = self.parse(PolicyKind::Identity, &name, site, "/PolicyDocument") else { return };
        let single = match kind {
            "AWS::IAM::RolePolicy" => Some("RoleName"),
            "AWS::IAM::UserPolicy" => Some("UserName"),
            "AWS::IAM::GroupPolicy" => Some("GroupName"),
            _ => None,
        };
        let lists = ["Roles", "Users", "Groups"].into_iter().flat_map(|it| properties[it].as_array()).flatten();
        let targets: Vec<&Json> = single.map(|it| &properties[it]).into_iter().chain(lists).collect();
        for target in targets {
            let Some(name) = self.text(&site.stack, target) else { continue };
            let named: Vec<Site> = self
                .resources
                .iter()
                .filter(|it| it.kind.starts_with("AWS::IAM::") && it.account == self.known.account(&site.stack))
                .filter(|it| self.known.reference(&it.site).is_some_and(|it| it == name))
                .map(|it| it.site.clone())
                .collect();
            for index in named.iter().flat_map(|it| self.members(it)).collect::<Vec<_>>() {
                self.identities[index].policies.push(attached.clone());
            }
        }
    }

    /// The identities that a policy on this resource is for: itself, or the users of a group.
    fn members(&self, site: &Site) -> Vec<usize> {
        let group = self.known.reference(site);
        let is_in_group = |user: &Identity| {
            let own = &self.properties(&user.site)["Groups"];
            let through_user =
                own.as_array().into_iter().flatten().any(|it| {
                    self.text(&user.site.stack, it) == group && user.account == self.known.account(&site.stack)
                });
            through_user || self.added_to_group(site, user)
        };
        let is_group = self.resource_at(site).is_some_and(|it| it.kind == "AWS::IAM::Group");
        (0..self.identities.len())
            .filter(|&index| {
                let identity = &self.identities[index];
                identity.site == *site || is_group && is_in_group(identity)
            })
            .collect()
    }

    fn added_to_group(&self, group: &Site, user: &Identity) -> bool {
        let (group_name, user_name) = (self.known.reference(group), self.known.reference(&user.site));
        self.defined().any(|(site, kind, properties)| {
            kind == "AWS::IAM::UserToGroupAddition"
                && self.text(&site.stack, &properties["GroupName"]) == group_name
                && properties["Users"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|it| self.text(&site.stack, it) == user_name)
        })
    }

    /// A managed policy by its ARN: one of the estate, or one whose document nobody can see from here.
    fn managed(&mut self, stack: &str, reference: &Json) -> Option<Attached> {
        let arn = self.text(stack, reference)?;
        if let Some(resource) = self.resource(&arn).filter(|it| it.kind == "AWS::IAM::ManagedPolicy") {
            let site = resource.site.clone();
            return self.parse(PolicyKind::Identity, &site.to_string(), &site, "/PolicyDocument");
        }
        let text = arn.to_string();
        let name = text.rsplit('/').next().unwrap_or(&text).to_owned();
        let policy = if text.ends_with(":iam::aws:policy/AdministratorAccess") {
            let everything = serde_json::json!({
                "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" }
            });
            Policy::from_value(PolicyKind::Identity, &name, &everything).ok()?
        } else {
            Policy::unseen(PolicyKind::Identity, &name, !text.contains(":iam::aws:"))
        };
        Some(Attached { policy, site: None, pointer: String::new() })
    }

    fn policy_of(&mut self, holder: &Site, target: &Json, property: &str) {
        let Some(target) = self.text(&holder.stack, target) else { return };
        let found = self.resources.iter().find(|it| {
            it.account == self.known.account(&holder.stack)
                && (it.arn == target || self.known.reference(&it.site).is_some_and(|it| it == target))
        });
        if let Some(site) = found.map(|it| it.site.clone()) {
            self.set_policy(&site, holder, property);
        }
    }

    fn set_policy(&mut self, resource: &Site, holder: &Site, property: &str) {
        let kind = if property == "AssumeRolePolicyDocument" { PolicyKind::Trust } else { PolicyKind::Resource };
        let attached = self.parse(kind, &holder.to_string(), holder, &format!("/{property}"));
        if let Some(index) = self.resources.iter().position(|it| it.site == *resource) {
            self.resources[index].policy = attached;
        }
    }

    fn parse(&mut self, kind: PolicyKind, name: &str, site: &Site, pointer: &str) -> Option<Attached> {
        let stack = self.known.stacks.get(site.stack.as_str())?;
        let document = self.properties(site).pointer(pointer)?;
        let resolve = |expression: Expression<'_>| self.known.resolve(&site.stack, expression);
        match Policy::from_template(kind, name, document, &stack.environment, &resolve) {
            Ok(policy) => Some(Attached { policy, site: Some(site.clone()), pointer: pointer.to_owned() }),
            Err(errors) => {
                let bad = BadPolicy { site: site.clone(), pointer: pointer.to_owned(), message: errors.to_string() };
                if !self.bad.iter().any(|it| it.site == bad.site && it.pointer == bad.pointer) {
                    self.bad.push(bad);
                }
                None
            }
        }
    }
}

impl<'a> Known<'a> {
    /// What the parameters of a stack will be, as far as the assembly says.
    fn parameters(&self, stack: &StackArtifact) -> BTreeMap<String, Text> {
        let mut parameters = BTreeMap::new();
        for (name, parameter) in stack.template["Parameters"].as_object().into_iter().flatten() {
            let given = stack.parameters.get(name).map(String::as_str);
            if let Some(text) = given.or_else(|| parameter["Default"].as_str()) {
                parameters.insert(name.clone(), Text::from(text));
            }
        }
        for input in &stack.inputs {
            let Some(producer) = self.stacks.get(input.from_stack.as_str()) else { continue };
            let value = &producer.artifact.template["Outputs"][&input.output]["Value"];
            if let Some(text) = self.text(&input.from_stack, value) {
                parameters.insert(input.parameter.clone(), text);
            }
        }
        parameters
    }

    fn account(&self, stack: &str) -> String {
        self.stacks.get(stack).map(|it| it.artifact.environment.account.to_string()).unwrap_or_default()
    }

    fn text(&self, stack: &str, expression: &Json) -> Option<Text> {
        let environment = &self.stacks.get(stack)?.environment;
        let resolve = |expression: Expression<'_>| self.resolve(stack, expression);
        let json = crate::json::Json::from_value(expression)?;
        Texts { template: Some((environment, &resolve)) }.text(&json)
    }

    fn resolve(&self, stack: &str, expression: Expression<'_>) -> Option<Text> {
        let site = |logical_id: &str| Site { stack: stack.to_owned(), logical_id: logical_id.to_owned() };
        match expression {
            Expression::Ref(name) => {
                let known = self.stacks.get(stack)?.parameters.get(name).cloned();
                known.or_else(|| self.reference(&site(name)))
            }
            Expression::GetAtt(logical_id, attribute) => self.attribute(&site(logical_id), attribute),
            Expression::Function(json) => self.function(json),
        }
    }

    /// Outputs of other stacks.
    fn function(&self, json: &Json) -> Option<Text> {
        if let Some(call) = json.get("Fn::GetStackOutput") {
            let (name, output) = (call["StackName"].as_str()?, call["OutputName"].as_str()?);
            let producer = self.stacks.values().find(|it| it.artifact.stack_name == name)?;
            return self.text(&producer.artifact.id, &producer.artifact.template["Outputs"][output]["Value"]);
        }
        let name = json.get("Fn::ImportValue")?.as_str()?;
        self.stacks.values().find_map(|producer| {
            let outputs = producer.artifact.template["Outputs"].as_object()?;
            let output = outputs.values().find(|it| it["Export"]["Name"] == name)?;
            self.text(&producer.artifact.id, &output["Value"])
        })
    }

    fn schema(&self, site: &Site) -> Option<(xacct_schema::ResourceType, &'a Json, &Stack<'a>)> {
        let stack = self.stacks.get(site.stack.as_str())?;
        let resource = stack.artifact.template["Resources"].get(&site.logical_id)?;
        Some((xacct_schema::resource_type(resource["Type"].as_str()?)?, &resource["Properties"], stack))
    }

    /// The name of a resource: as given, or a symbol.
    fn name(&self, site: &Site) -> Option<Text> {
        let (schema, properties, _) = self.schema(site)?;
        let given = schema.name_property().and_then(|it| properties.get(it)).and_then(|it| self.text(&site.stack, it));
        Some(given.unwrap_or_else(|| self.made_by_aws(site)))
    }

    /// A name or id that the template leaves to AWS.
    fn made_by_aws(&self, site: &Site) -> Text {
        if self.made_up {
            let name = format!("{}-{}-0123456789ab", site.stack, site.logical_id);
            return name.to_lowercase().into();
        }
        Symbol::new(&site.to_string(), SymbolKind::Id).into()
    }

    /// What `Ref` gives.
    fn reference(&self, site: &Site) -> Option<Text> {
        let (schema, ..) = self.schema(site)?;
        let property = schema.ref_property()?;
        if schema.name_property() == Some(property) {
            return self.name(site);
        }
        if schema.name() == "AWS::KMS::Key" {
            return Some(self.made_by_aws(site));
        }
        if property.ends_with("Arn") || matches!(schema.name(), "AWS::SecretsManager::Secret") {
            return self.arn(site);
        }
        // Events rules and the like are referred to by a name that the schema spells otherwise.
        (schema.name_property().is_some() && property.ends_with("Name")).then(|| self.name(site)).flatten()
    }

    fn attribute(&self, site: &Site, attribute: &str) -> Option<Text> {
        let (schema, ..) = self.schema(site)?;
        let is_arn = attribute == "Arn" || attribute.ends_with("Arn") && schema.ref_property() == Some(attribute);
        match schema.name() {
            // The ARN of a log group, as CloudFormation gives it, covers its streams.
            "AWS::Logs::LogGroup" if is_arn => Some(self.arn(site)?.with(":*")),
            "AWS::SecretsManager::Secret" if attribute == "Id" => self.arn(site),
            "AWS::KMS::Key" if attribute == "KeyId" => self.reference(site),
            _ if is_arn => self.arn(site),
            _ if schema.name_property() == Some(attribute) || attribute == "Name" => self.name(site),
            _ => None,
        }
    }

    fn arn(&self, site: &Site) -> Option<Text> {
        let (schema, properties, stack) = self.schema(site)?;
        let environment = &stack.artifact.environment;
        let mut arn = Text::new();
        let mut rest = schema.arn_template()?;
        let mut named = false;
        while let Some((literal, placeholder)) = rest.split_once("${") {
            let (placeholder, after) = placeholder.split_once('}')?;
            arn.append(&literal.into());
            rest = after;
            match placeholder {
                "Partition" => arn.append(&environment.region.partition().into()),
                "Region" => arn.append(&environment.region.as_str().into()),
                "Account" => arn.append(&environment.account.as_str().into()),
                _ if named => return None,
                _ => {
                    named = true;
                    if placeholder.ends_with("WithPath") {
                        let path = properties.get("Path").and_then(Json::as_str).unwrap_or("/");
                        arn.append(&path.trim_start_matches('/').into());
                    }
                    arn.append(&self.name(site)?);
                    if schema.name() == "AWS::SecretsManager::Secret" && properties.get("Name").is_some() {
                        let suffix = Symbol::new(&format!("{site}:suffix"), SymbolKind::Id);
                        arn.append(&Text::from("-").with(suffix));
                    }
                }
            }
        }
        arn.append(&rest.into());
        Some(arn)
    }
}
