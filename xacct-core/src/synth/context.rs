//! Rendering: every element of every stack as JSON, with the references that leave a stack resolved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::Location;

use serde_json::{Map, Value as Json, json};

use crate::assembly::{Input, Origin, Silenced};
use crate::diagnostic::Diagnostic;
use crate::grant::{self, Policies};
use crate::include::{Included, Section};
use crate::name;
use crate::policy::{PolicySlot, Statement};
use crate::reference::ReferenceStrategy;
use crate::resource::{RemovalPolicy, Resource};
use crate::tree::{Kind, NodeId, Tree};
use crate::value::{Expr, Lazy};

/// What a stack's template comes to.
#[derive(Default)]
pub(super) struct Draft {
    resources: BTreeMap<String, Json>,
    outputs: BTreeMap<String, Json>,
    parameters: BTreeMap<String, Json>,
    mappings: BTreeMap<String, Json>,
    conditions: BTreeMap<String, Json>,
    /// Whole sections of included templates, such as `Transform`.
    sections: BTreeMap<String, Json>,
    pub(super) inputs: BTreeSet<Input>,
    pub(super) edges: BTreeMap<NodeId, Edge>,
    pub(super) origins: BTreeMap<String, Origin>,
}

/// Why a stack comes after another.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) reason: String,
    pub(super) at: &'static Location<'static>,
    /// What would do without the order, where something would.
    pub(super) way_out: Option<String>,
}

impl Draft {
    pub(super) fn template(&self, description: Option<&str>) -> Json {
        let mut template: Map<String, Json> =
            self.sections.iter().map(|(name, content)| (name.clone(), content.clone())).collect();
        if let Some(description) = description {
            template.insert("Description".to_owned(), description.into());
        }
        let sections = [
            ("Parameters", &self.parameters),
            ("Mappings", &self.mappings),
            ("Conditions", &self.conditions),
            ("Resources", &self.resources),
            ("Outputs", &self.outputs),
        ];
        for (name, section) in sections {
            if !section.is_empty() {
                let section: Map<String, Json> =
                    section.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                template.insert(name.to_owned(), Json::Object(section));
            }
        }
        Json::Object(template)
    }
}

/// The place that an expression is rendered for.
#[derive(Clone, Copy)]
pub(super) struct Place {
    stack: NodeId,
    pub(super) node: NodeId,
    strategy: ReferenceStrategy,
}

pub(super) struct Context<'t> {
    pub(super) tree: &'t Tree,
    pub(super) policies: Policies,
    /// The physical names that are known: those given, and those made because another environment needs them.
    names: BTreeMap<NodeId, String>,
    logical_ids: HashMap<NodeId, String>,
    drafts: BTreeMap<NodeId, Draft>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Rules that what synthesis itself makes is exempt from.
    pub(super) silenced: Vec<Silenced>,
}

impl<'t> Context<'t> {
    /// `statements` are what identities are allowed besides what the tree says.
    pub(super) fn new(tree: &'t Tree, statements: Vec<(NodeId, Statement)>) -> Self {
        let mut diagnostics = tree.diagnostics.clone();
        let mut policies = grant::realize(tree, &mut diagnostics);
        for (identity, statement) in statements {
            policies.entry((identity, PolicySlot::Identity)).or_default().push(statement);
        }
        let mut context = Self {
            tree,
            policies,
            names: BTreeMap::new(),
            logical_ids: HashMap::new(),
            drafts: BTreeMap::new(),
            diagnostics,
            silenced: Vec::new(),
        };
        context.give_logical_ids();
        context.give_physical_names();
        context
    }

    pub(super) fn render_stacks(&mut self) -> BTreeMap<NodeId, Draft> {
        for id in self.tree.ids() {
            if matches!(self.tree[id].kind, Kind::Stack(_)) {
                self.drafts.entry(id).or_default();
            }
        }
        for id in self.tree.ids() {
            self.render_element(id);
        }
        let stacks: Vec<NodeId> = self.drafts.keys().copied().collect();
        for stack in stacks {
            self.explicit_stack_dependencies(stack);
            self.resource_dependencies(stack);
        }
        std::mem::take(&mut self.drafts)
    }

    /// An expression for a reader outside of the templates. What it would add to a template is dropped.
    pub(super) fn expression_in(&mut self, stack: NodeId, expr: &Expr) -> Json {
        let place = Place { stack, node: stack, strategy: self.tree.reference_strategy };
        self.drafts.entry(stack).or_default();
        let json = self.expr(place, expr).unwrap_or(Json::Null);
        self.drafts.clear();
        json
    }

    /// An expression that refers to nothing.
    pub(super) fn expression_outside(&mut self, expr: &Expr) -> Json {
        match expr {
            Expr::Str(text) => text.to_string().into(),
            _ => Json::Null,
        }
    }

    fn give_logical_ids(&mut self) {
        let mut taken: HashMap<(NodeId, Option<Section>, String), NodeId> = HashMap::new();
        for id in self.tree.ids() {
            let entry = &self.tree[id];
            let given = match &entry.kind {
                Kind::Resource(resource) => resource.logical_id.clone(),
                Kind::Included(included) => Some(included.name.clone()),
                Kind::Output(_) | Kind::Parameter(_) | Kind::Mapping(_) | Kind::Condition(_) => None,
                Kind::Scope | Kind::Stack(_) => continue,
            };
            let Some(stack) = self.tree.stack_of(id) else {
                let path = self.tree.path(id);
                self.diagnostics.push(
                    Diagnostic::error("no-stack", format!("`{path}` is in no stack"))
                        .path(path)
                        .at(entry.at)
                        .help("give it a `Stack`, or a construct within one, as its scope"),
                );
                continue;
            };
            let logical_id = given.or_else(|| name::logical_id(&self.names_below(stack, id))).unwrap_or_default();
            let section = self.section(id);
            let names_itself = matches!(section, Some(Section::Template | Section::Resources));
            if !names_itself && !name::is_logical_id(&logical_id) {
                let path = self.tree.path(id);
                self.diagnostics.push(
                    Diagnostic::error("logical-id", format!("`{logical_id}` cannot be the logical id of `{path}`"))
                        .path(path)
                        .at(entry.at)
                        .help("a logical id is made of 1 to 255 letters and digits: give the construct an id that has some"),
                );
            }
            let first = taken.entry((stack, section, logical_id.clone())).or_insert(id);
            if section != Some(Section::Template) && *first != id && self.tree.path(*first) != self.tree.path(id) {
                let (path, other) = (self.tree.path(id), self.tree.path(*first));
                self.diagnostics.push(
                    Diagnostic::error(
                        "logical-id",
                        format!("`{path}` and `{other}` have the same logical id `{logical_id}`"),
                    )
                    .path(path)
                    .at(entry.at)
                    .related("the other is defined at", self.tree[*first].at)
                    .help("give one of the two another id"),
                );
            }
            self.logical_ids.insert(id, logical_id);
        }
    }

    /// Where an element's name must be its own; none for resources and parameters, which share their names.
    fn section(&self, id: NodeId) -> Option<Section> {
        match &self.tree[id].kind {
            Kind::Output(_) => Some(Section::Outputs),
            Kind::Mapping(_) => Some(Section::Mappings),
            Kind::Condition(_) => Some(Section::Conditions),
            Kind::Included(included) => Some(included.section).filter(|it| *it != Section::Parameters),
            Kind::Resource(_) | Kind::Parameter(_) | Kind::Scope | Kind::Stack(_) => None,
        }
    }

    fn names_below(&self, stack: NodeId, id: NodeId) -> Vec<&'t str> {
        let tree = self.tree;
        let mut names: Vec<&str> =
            tree.ancestors(id).take_while(|&it| it != stack).map(|it| tree[it].name.as_str()).collect();
        names.reverse();
        names
    }

    /// Names are known where they are given, and made where another environment refers to them.
    fn give_physical_names(&mut self) {
        let mut referenced: BTreeSet<NodeId> = BTreeSet::new();
        for id in self.tree.ids() {
            let Some(environment) = self.tree.environment_of(id) else { continue };
            let mut nodes = Vec::new();
            match &self.tree[id].kind {
                Kind::Resource(resource) => {
                    resource.props.iter().for_each(|(_, it)| it.collect_nodes(&mut nodes));
                    resource
                        .overrides
                        .iter()
                        .filter_map(|it| it.value.as_ref())
                        .for_each(|it| it.collect_nodes(&mut nodes));
                }
                Kind::Output(output) => output.value.collect_nodes(&mut nodes),
                _ => {}
            }
            for slot in [PolicySlot::Identity, PolicySlot::Resource, PolicySlot::Trust] {
                for statement in self.policies.get(&(id, slot)).into_iter().flatten() {
                    statement.exprs().for_each(|it| it.collect_nodes(&mut nodes));
                }
            }
            referenced.extend(
                nodes.into_iter().filter(|&it| self.tree.owns(it) && self.tree.environment_of(it) != Some(environment)),
            );
        }
        for id in self.tree.ids() {
            let Kind::Resource(resource) = &self.tree[id].kind else { continue };
            let Some(physical) = &resource.physical_name else { continue };
            let name = match physical.given() {
                Some(given) => given.to_owned(),
                None if referenced.contains(&id) => self.make_name(id, physical.limit()),
                None => continue,
            };
            self.names.insert(id, name);
        }
    }

    fn make_name(&self, id: NodeId, limit: usize) -> String {
        let (Some(stack), Some(environment)) = (self.tree.stack_of(id), self.tree.environment_of(id)) else {
            return String::new();
        };
        let stack_path = self.tree.path(stack);
        let stack_name = self.tree.stack(id).map(|it| it.stack_name(&stack_path).into_owned()).unwrap_or_default();
        let mut path: Vec<&str> = stack_path.split('/').collect();
        // The name is the construct's, not that of the resource inside it.
        path.extend(self.names_below(stack, id).into_iter().filter(|it| *it != "Resource"));
        let name = name::physical_name(&stack_name, &path, environment);
        name[name.len().saturating_sub(limit)..].to_owned()
    }

    fn render_element(&mut self, id: NodeId) {
        let Some(stack) = self.tree.stack_of(id) else { return };
        let Some(logical_id) = self.logical_ids.get(&id).cloned() else { return };
        let place = Place { stack, node: id, strategy: self.tree.reference_strategy };
        match &self.tree[id].kind {
            Kind::Scope | Kind::Stack(_) => {}
            Kind::Resource(resource) => self.render_resource(place, logical_id, resource),
            Kind::Output(output) => {
                let mut json = Map::new();
                if let Some(description) = &output.description {
                    json.insert("Description".into(), description.clone().into());
                }
                self.refuse_secrets(id, &output.value);
                json.insert("Value".into(), self.expr(place, &output.value).unwrap_or(Json::Null));
                if let Some(name) = &output.export_name {
                    let name = self.expr(place, name).unwrap_or(Json::Null);
                    json.insert("Export".into(), json!({ "Name": name }));
                }
                self.draft(stack).outputs.insert(logical_id, json.into());
            }
            Kind::Parameter(parameter) => {
                let fields: Map<String, Json> = parameter
                    .fields
                    .iter()
                    .filter_map(|(name, value)| Some(((*name).to_owned(), self.expr(place, value)?)))
                    .collect();
                self.draft(stack).parameters.insert(logical_id, fields.into());
            }
            Kind::Mapping(mapping) => {
                let rows: Map<String, Json> = mapping
                    .rows
                    .iter()
                    .map(|(row, cells)| {
                        let cells: Map<String, Json> = cells
                            .iter()
                            .filter_map(|(key, value)| Some((key.clone(), self.expr(place, value)?)))
                            .collect();
                        (row.clone(), cells.into())
                    })
                    .collect();
                self.draft(stack).mappings.insert(logical_id, rows.into());
            }
            Kind::Condition(condition) => {
                let json = self.expr(place, &condition.expression).unwrap_or(Json::Null);
                self.draft(stack).conditions.insert(logical_id, json);
            }
            Kind::Included(included) => self.render_included(place, included),
        }
    }

    fn render_included(&mut self, place: Place, included: &Included) {
        let body = self.expr(place, &included.body).unwrap_or(Json::Null);
        let draft = self.draft(place.stack);
        let section = match included.section {
            Section::Parameters => &mut draft.parameters,
            Section::Mappings => &mut draft.mappings,
            Section::Conditions => &mut draft.conditions,
            Section::Resources => &mut draft.resources,
            Section::Outputs => &mut draft.outputs,
            Section::Template => &mut draft.sections,
        };
        let before = section.insert(included.name.clone(), body.clone());
        if included.section == Section::Template && before.is_some_and(|it| it != body) {
            let (path, at) = (self.tree.path(place.node), self.tree[place.node].at);
            self.diagnostics.push(crate::include::conflict(&included.name, path, at));
        }
    }

    fn draft(&mut self, stack: NodeId) -> &mut Draft {
        self.drafts.entry(stack).or_default()
    }

    fn is_rendered(&self, id: NodeId) -> bool {
        match &self.tree[id].kind {
            Kind::Resource(resource) => resource
                .only_with
                .is_none_or(|key| self.policies.get(&key).is_some_and(|statements| !statements.is_empty())),
            _ => true,
        }
    }

    fn render_resource(&mut self, place: Place, logical_id: String, resource: &Resource) {
        if !self.is_rendered(place.node) {
            return;
        }
        let mut properties: BTreeMap<String, Json> = BTreeMap::new();
        for (name, value) in &resource.props {
            match self.expr(place, value) {
                Some(json) => properties.insert(name.to_string(), json),
                None => properties.remove(&**name),
            };
        }
        if let (Some(physical), Some(name)) = (&resource.physical_name, self.names.get(&place.node)) {
            properties.entry(physical.property().to_owned()).or_insert_with(|| name.clone().into());
        }
        self.add_inherited(place, resource, &mut properties);
        let mut json = Map::new();
        json.insert("Type".into(), resource.cfn_type.to_string().into());
        if let Some(condition) = resource.condition.and_then(|it| self.logical_ids.get(&it)) {
            json.insert("Condition".into(), condition.clone().into());
        }
        if !(resource.may_lack_properties && properties.is_empty()) {
            json.insert("Properties".into(), Json::Object(properties.into_iter().collect()));
        }
        if let Some(removal) = resource.removal {
            let (deletion, replacement) = match removal {
                RemovalPolicy::Destroy => ("Delete", "Delete"),
                RemovalPolicy::Retain => ("Retain", "Retain"),
                RemovalPolicy::RetainOnUpdateOrDelete => ("RetainExceptOnCreate", "Retain"),
                RemovalPolicy::Snapshot => ("Snapshot", "Snapshot"),
            };
            json.insert("DeletionPolicy".into(), deletion.into());
            json.insert("UpdateReplacePolicy".into(), replacement.into());
        }
        let mut json = Json::Object(json);
        for change in &resource.overrides {
            let value = change.value.as_ref().and_then(|it| self.expr(place, it));
            if let Err(problem) = override_at(&mut json, &change.path, value) {
                let path = self.tree.path(place.node);
                self.diagnostics.push(
                    Diagnostic::error(
                        "override",
                        format!("`{}` of `{path}` cannot be overridden: {problem}", change.path.join(".")),
                    )
                    .path(path)
                    .at(self.tree[place.node].at)
                    .help("look at the resource in the template for its shape"),
                );
            }
        }
        if json["Properties"].as_object().is_some_and(Map::is_empty)
            && let Some(fields) = json.as_object_mut()
        {
            fields.shift_remove("Properties");
        }
        let origin = Origin { path: self.tree.path(place.node), location: Some(self.tree[place.node].at.into()) };
        let draft = self.draft(place.stack);
        draft.origins.insert(logical_id.clone(), origin);
        draft.resources.insert(logical_id, json);
    }

    /// Tags and permissions boundaries that were set further up.
    fn add_inherited(&mut self, place: Place, resource: &Resource, properties: &mut BTreeMap<String, Json>) {
        let tree = self.tree;
        let takes_boundary = matches!(&*resource.cfn_type, "AWS::IAM::Role" | "AWS::IAM::User");
        if takes_boundary && !properties.contains_key("PermissionsBoundary") {
            let boundary = tree.ancestors(place.node).find_map(|it| tree[it].permissions_boundary.as_ref());
            if let Some(json) = boundary.and_then(|it| self.expr(place, it)) {
                properties.insert("PermissionsBoundary".into(), json);
            }
        }
        let mut tags: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut ancestors: Vec<NodeId> = tree.ancestors(place.node).collect();
        ancestors.reverse();
        for id in ancestors {
            tags.extend(tree[id].tags.iter().map(|(key, value)| (key.as_str(), value.as_deref())));
        }
        if !tags.is_empty() {
            crate::tag::apply(&resource.cfn_type, &tags, properties);
        }
    }

    /// `None` where a policy is empty: the property that would hold it is left out.
    pub(super) fn expr(&mut self, place: Place, expr: &Expr) -> Option<Json> {
        Some(match expr {
            Expr::Null => Json::Null,
            Expr::Bool(it) => (*it).into(),
            Expr::Int(it) => (*it).into(),
            Expr::Float(it) => json!(it),
            Expr::Str(text) => text.to_string().into(),
            Expr::List(items) => items.iter().filter_map(|it| self.expr(place, it)).collect(),
            Expr::Map(fields) => {
                let mut map = Map::new();
                for (key, value) in fields {
                    if let Some(json) = self.expr(place, value) {
                        map.insert(key.to_string(), json);
                    }
                }
                map.into()
            }
            Expr::Ref(node) => self.reference(place, *node, None),
            Expr::GetAtt(node, attribute) => self.reference(place, *node, Some(attribute)),
            Expr::Pseudo(pseudo) => json!({ "Ref": pseudo.name() }),
            Expr::Concat(parts) => self.concat(place, parts),
            Expr::Function(name, argument) => json!({ *name: self.expr(place, argument)? }),
            Expr::Lazy(Lazy::Policy(node, slot)) => {
                let statements: Vec<Statement> = self.policies.get(&(*node, *slot)).cloned().unwrap_or_default();
                if statements.is_empty() {
                    return None;
                }
                self.document(place, *slot, &statements)
            }
            Expr::Lazy(Lazy::LogicalId(node)) => self.logical_ids.get(node).cloned().unwrap_or_default().into(),
            Expr::Lazy(Lazy::StackName(node)) => {
                let path = self.tree.stack_of(*node).map(|it| self.tree.path(it)).unwrap_or_default();
                self.tree.stack(*node).map(|it| it.stack_name(&path).into_owned()).unwrap_or_default().into()
            }
            Expr::Document(document) => {
                let slot = if document.statements.iter().any(|it| !it.principals.is_empty()) {
                    PolicySlot::Resource
                } else {
                    PolicySlot::Identity
                };
                self.document(place, slot, &document.statements)
            }
            Expr::Via(strategy, inner) => return self.expr(Place { strategy: *strategy, ..place }, inner),
        })
    }

    /// Text where all is text, else `Fn::Join` with neighbouring texts joined.
    fn concat(&mut self, place: Place, parts: &[Expr]) -> Json {
        let mut joined: Vec<Json> = Vec::new();
        let mut push = |json: Json| match (joined.last_mut(), json) {
            (Some(Json::String(last)), Json::String(text)) => last.push_str(&text),
            (_, json) => joined.push(json),
        };
        for part in parts {
            match self.expr(place, part) {
                Some(json) => match json.get("Fn::Join").and_then(Json::as_array).map(Vec::as_slice) {
                    Some([Json::String(delimiter), Json::Array(inner)]) if delimiter.is_empty() => {
                        inner.iter().cloned().for_each(&mut push)
                    }
                    _ => push(json),
                },
                None => push(Json::String(String::new())),
            }
        }
        joined.retain(|it| it.as_str() != Some(""));
        match joined.len() {
            0 => "".into(),
            1 => joined.remove(0),
            _ => json!({ "Fn::Join": ["", joined] }),
        }
    }

    fn reference(&mut self, place: Place, target: NodeId, attribute: Option<&str>) -> Json {
        if !self.tree.owns(target) {
            let path = self.tree.path(place.node);
            self.diagnostics.push(
                Diagnostic::error("foreign-construct", format!("`{path}` refers to a construct of another app"))
                    .path(path)
                    .at(self.tree[place.node].at)
                    .help("make both in one app, or name the other by its ARN"),
            );
            return anything();
        }
        let Some(logical_id) = self.logical_ids.get(&target).cloned() else {
            let (path, other) = (self.tree.path(place.node), self.tree.path(target));
            if self.tree.stack_of(target).is_some() {
                self.diagnostics.push(
                    Diagnostic::error("not-a-resource", format!("`{path}` refers to `{other}`, which is no resource"))
                        .path(path)
                        .at(self.tree[place.node].at)
                        .help("refer to the resource within it"),
                );
            }
            return anything();
        };
        let local = match attribute {
            None => json!({ "Ref": logical_id }),
            Some(attribute) => json!({ "Fn::GetAtt": [logical_id, attribute] }),
        };
        match self.tree.stack_of(target) {
            Some(stack) if stack == place.stack => local,
            Some(stack) => self.reference_across(place, stack, target, attribute, local),
            None => anything(),
        }
    }

    fn reference_across(
        &mut self,
        place: Place,
        producer: NodeId,
        target: NodeId,
        attribute: Option<&str>,
        local: Json,
    ) -> Json {
        let tree = self.tree;
        let (Some(here), Some(there)) = (tree.environment_of(place.stack), tree.environment_of(producer)) else {
            return anything();
        };
        if let (Some(name), Kind::Resource(resource)) = (self.names.get(&target), &tree[target].kind)
            && let Some(text) = resource.physical_name.as_ref().and_then(|it| it.resolve(attribute, name, there))
        {
            return text.into();
        }
        let what = attribute.map_or_else(|| "Ref".to_owned(), |it| format!("`{it}`"));
        let path = tree.path(place.node);
        if attribute == Some("SecretAccessKey") {
            self.diagnostics.push(secret(&path, tree[place.node].at, "handed to another stack"));
            return anything();
        }
        let edge = Edge {
            reason: format!("`{path}` uses {what} of `{}`", tree.path(target)),
            at: tree[place.node].at,
            way_out: self.way_out(target),
        };
        self.draft(place.stack).edges.entry(producer).or_insert(edge);
        let logical_id = self.logical_ids.get(&target).cloned().unwrap_or_default();
        let output = format!("{logical_id}{}", attribute.map(name::alphanumeric).unwrap_or_else(|| "Ref".to_owned()));
        let producer_path = tree.path(producer);
        let stack_name = tree.stack(producer).map(|it| it.stack_name(&producer_path).into_owned()).unwrap_or_default();
        let outputs = &mut self.draft(producer).outputs;
        match place.strategy {
            ReferenceStrategy::Parameter => {
                outputs.entry(output.clone()).or_insert_with(|| json!({ "Value": local }));
                let parameter = format!("{}{output}", name::alphanumeric(&producer_path));
                let from_stack = super::artifact_id(&producer_path);
                let draft = self.draft(place.stack);
                draft.parameters.insert(parameter.clone(), json!({ "Type": "String" }));
                draft.inputs.insert(Input { parameter: parameter.clone(), from_stack, output });
                json!({ "Ref": parameter })
            }
            ReferenceStrategy::GetStackOutput => {
                outputs.entry(output.clone()).or_insert_with(|| json!({ "Value": local }));
                let mut fields = Map::new();
                fields.insert("StackName".into(), stack_name.clone().into());
                fields.insert("OutputName".into(), output.into());
                if here.region != there.region {
                    fields.insert("Region".into(), there.region.as_str().into());
                }
                if here.region.partition() != there.region.partition() {
                    self.diagnostics.push(
                        Diagnostic::error(
                            "reference-strategy",
                            format!("`{path}` reads an output of `{producer_path}`, which is in another partition"),
                        )
                        .path(path)
                        .at(tree[place.node].at)
                        .help("`Fn::GetStackOutput` does not cross partitions: use `ReferenceStrategy::Parameter`"),
                    );
                } else if here.account != there.account {
                    let role = self.reader_role(producer, place.stack, &stack_name);
                    fields.insert("RoleArn".into(), role.into());
                }
                json!({ "Fn::GetStackOutput": fields })
            }
            ReferenceStrategy::Export => {
                if here != there {
                    self.diagnostics.push(
                        Diagnostic::error("reference-strategy", format!("`{path}` imports from `{producer_path}`, which is in another account or region"))
                            .path(path)
                            .at(tree[place.node].at)
                            .help("exports reach only their own account and region: use `ReferenceStrategy::Parameter` or `GetStackOutput`"),
                    );
                    return anything();
                }
                let export = format!("{stack_name}:{output}");
                outputs.insert(output, json!({ "Value": local, "Export": { "Name": export } }));
                json!({ "Fn::ImportValue": export })
            }
        }
    }

    /// What would make a reference do without an order.
    fn way_out(&self, target: NodeId) -> Option<String> {
        let Kind::Resource(resource) = &self.tree[target].kind else { return None };
        let physical = resource.physical_name.as_ref()?;
        Some(format!("give `{}` a name of its own (`{}`)", self.tree.path(target), physical.property()))
    }

    /// The role in the producer's account that a consumer in another account reads its outputs with: it may describe that
    /// one stack and nothing else.
    fn reader_role(&mut self, producer: NodeId, consumer: NodeId, stack_name: &str) -> String {
        let tree = self.tree;
        let (Some(here), Some(there)) = (tree.environment_of(consumer), tree.environment_of(producer)) else {
            return String::new();
        };
        let consumer_path = tree.path(consumer);
        let producer_path = tree.path(producer);
        let ids = [producer_path.as_str(), "OutputReader", consumer_path.as_str()];
        let mut name = name::physical_name(stack_name, &ids, there);
        name = name[name.len().saturating_sub(64)..].to_owned();
        let partition = there.region.partition();
        let origin = Origin { path: format!("{producer_path}/OutputReader"), location: Some(tree[consumer].at.into()) };
        let mut trust = json!({
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": { "AWS": format!("arn:{}:iam::{}:root", here.region.partition(), here.account) },
        });
        match self.execution_role(consumer) {
            Some(role) => trust["Condition"] = json!({ "ArnEquals": { "aws:PrincipalArn": role } }),
            None => self.silenced.push(Silenced {
                rule: "XA122".to_owned(),
                path: origin.path.clone(),
                reason: format!(
                    "it may only read the outputs of `{stack_name}`; which role CloudFormation reads them with for \
                     `{consumer_path}` is not known: to name it, give that stack an execution role"
                ),
                location: tree[consumer].at.into(),
            }),
        }
        let role = json!({
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [trust] },
                "Description": format!("Reads the outputs of {stack_name} for {consumer_path}"),
                "Policies": [{
                    "PolicyName": "ReadOutputs",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [{
                            "Effect": "Allow",
                            "Action": "cloudformation:DescribeStacks",
                            "Resource": format!("arn:{partition}:cloudformation:{}:{}:stack/{stack_name}/*", there.region, there.account),
                        }],
                    },
                }],
                "RoleName": name,
            },
        });
        let logical_id = name::logical_id(&["OutputReader", &consumer_path]).unwrap_or_default();
        let draft = self.draft(producer);
        draft.origins.insert(logical_id.clone(), origin);
        draft.resources.insert(logical_id, role);
        format!("arn:{partition}:iam::{}:role/{name}", there.account)
    }

    /// The ARN of the role that CloudFormation deploys a stack with, where the program says it in full.
    fn execution_role(&self, stack: NodeId) -> Option<String> {
        let Kind::Stack(data) = &self.tree[stack].kind else { return None };
        data.execution_role().filter(|it| !it.contains("${"))
    }

    fn refuse_secrets(&mut self, id: NodeId, value: &Expr) {
        if value.has_attribute("SecretAccessKey") {
            let path = self.tree.path(id);
            self.diagnostics.push(secret(&path, self.tree[id].at, "shown as an output"));
        }
    }

    fn explicit_stack_dependencies(&mut self, stack: NodeId) {
        let tree = self.tree;
        let Kind::Stack(data) = &tree[stack].kind else { return };
        for &(other, at) in &data.depends_on {
            let path = tree.path(stack);
            if !tree.owns(other) {
                self.diagnostics.push(
                    Diagnostic::error("foreign-construct", format!("`{path}` depends on a stack of another app"))
                        .path(path)
                        .at(at)
                        .help("make both stacks in one app"),
                );
                continue;
            }
            let edge =
                Edge { reason: format!("`{path}` is said to depend on `{}`", tree.path(other)), at, way_out: None };
            self.draft(stack).edges.entry(other).or_insert(edge);
        }
    }

    /// `DependsOn` of a stack's resources: what was asked for, and the policies that complete the roles they use.
    fn resource_dependencies(&mut self, stack: NodeId) {
        let tree = self.tree;
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let resources: Vec<NodeId> = tree
            .descendants(stack)
            .filter(|&it| matches!(tree[it].kind, Kind::Resource(_)) && self.is_rendered(it))
            .collect();
        for &id in &resources {
            for scope in tree.ancestors(id) {
                for &(target, at) in &tree[scope].depends_on {
                    self.depend(stack, id, target, at, &mut wanted);
                }
            }
        }
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let draft = self.draft(stack);
        for (id, json) in &draft.resources {
            let mut used = BTreeSet::new();
            collect_logical_ids(json, &mut used);
            used.retain(|it| draft.resources.contains_key(it) && it != id);
            graph.insert(id.clone(), used);
        }
        let direct = graph.clone();
        for (id, targets) in &wanted {
            graph.entry(id.clone()).or_default().extend(targets.iter().cloned());
        }
        let completed: BTreeMap<String, String> = resources
            .iter()
            .filter_map(|&id| {
                let Kind::Resource(resource) = &tree[id].kind else { return None };
                let by = resource.completed_by.filter(|&it| self.is_rendered(it))?;
                Some((self.logical_ids.get(&id)?.clone(), self.logical_ids.get(&by)?.clone()))
            })
            .collect();
        for (id, used) in &direct {
            for policy in used.iter().filter_map(|it| completed.get(it)) {
                if policy != id && !reaches(&graph, policy, id) {
                    wanted.entry(id.clone()).or_default().insert(policy.clone());
                    graph.entry(id.clone()).or_default().insert(policy.clone());
                }
            }
        }
        let draft = self.draft(stack);
        for (id, mut targets) in wanted {
            targets.retain(|it| !direct.get(&id).is_some_and(|used| used.contains(it)));
            if let (Some(Json::Object(resource)), false) = (draft.resources.get_mut(&id), targets.is_empty()) {
                // An included resource has some of its own.
                match resource.get("DependsOn") {
                    Some(Json::String(one)) => targets.extend([one.clone()]),
                    Some(Json::Array(many)) => targets.extend(many.iter().filter_map(Json::as_str).map(str::to_owned)),
                    _ => {}
                }
                resource.insert("DependsOn".into(), targets.into_iter().collect());
            }
        }
    }

    fn depend(
        &mut self,
        stack: NodeId,
        id: NodeId,
        target: NodeId,
        at: &'static Location<'static>,
        wanted: &mut BTreeMap<String, BTreeSet<String>>,
    ) {
        let tree = self.tree;
        let path = tree.path(id);
        if !tree.owns(target) {
            self.diagnostics.push(
                Diagnostic::error("foreign-construct", format!("`{path}` depends on a construct of another app"))
                    .path(path)
                    .at(at)
                    .help("make both in one app"),
            );
            return;
        }
        let Some(other) = tree.stack_of(target) else { return };
        if other != stack {
            let edge = Edge { reason: format!("`{path}` depends on `{}`", tree.path(target)), at, way_out: None };
            self.draft(stack).edges.entry(other).or_insert(edge);
            return;
        }
        let Some(logical_id) = self.logical_ids.get(&id).cloned() else { return };
        for below in tree.descendants(target) {
            let is_resource = matches!(tree[below].kind, Kind::Resource(_));
            if !is_resource || below == id || tree.ancestors(id).any(|it| it == target) || !self.is_rendered(below) {
                continue;
            }
            if let Some(target_id) = self.logical_ids.get(&below) {
                wanted.entry(logical_id.clone()).or_default().insert(target_id.clone());
            }
        }
    }
}

/// In place of a reference that is reported as wrong: no schema has anything to say about it.
fn anything() -> Json {
    json!({ "Ref": "AWS::StackName" })
}

fn secret(path: &str, at: &'static Location<'static>, how: &str) -> Diagnostic {
    Diagnostic::error("secret-in-output", format!("a secret access key is {how}"))
        .path(path)
        .at(at)
        .help("keep it in Secrets Manager, where those who may read it find it: `AccessKey` does that")
}

/// Whether `to` can be reached from `from`.
fn reaches(graph: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at)
            && let Some(next) = graph.get(at)
        {
            open.extend(next.iter().map(String::as_str));
        }
    }
    false
}

/// The logical ids that a resource refers to.
fn collect_logical_ids(json: &Json, found: &mut BTreeSet<String>) {
    match json {
        Json::Array(items) => items.iter().for_each(|it| collect_logical_ids(it, found)),
        Json::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("Ref", Json::String(id)) => {
                        found.insert(id.clone());
                    }
                    ("Fn::GetAtt", Json::Array(parts)) => {
                        found.extend(parts.first().and_then(Json::as_str).map(str::to_owned))
                    }
                    ("Fn::GetAtt", Json::String(text)) => found.extend(text.split('.').next().map(str::to_owned)),
                    ("Fn::Sub", _) => {
                        let text = value.as_str().or_else(|| value.get(0).and_then(Json::as_str)).unwrap_or_default();
                        found.extend(
                            text.split("${").skip(1).filter_map(|it| it.split(['}', '.']).next()).map(str::to_owned),
                        );
                        if let Some(values) = value.get(1) {
                            collect_logical_ids(values, found);
                        }
                    }
                    _ => collect_logical_ids(value, found),
                }
            }
        }
        _ => {}
    }
}

/// Sets or removes what is at a path.
fn override_at(json: &mut Json, path: &[String], value: Option<Json>) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else { return Err("the path is empty".to_owned()) };
    match json {
        Json::Array(items) => {
            let index: usize = first.parse().map_err(|_| format!("`{first}` is not an index into a list"))?;
            let length = items.len();
            match (value, rest.is_empty()) {
                (None, true) if index < length => {
                    items.remove(index);
                }
                (None, true) => {}
                (Some(value), true) if index == length => items.push(value),
                (Some(value), true) if index < length => items[index] = value,
                (value, _) => {
                    let item = items.get_mut(index).ok_or_else(|| format!("the list has {length} elements"))?;
                    return override_at(item, rest, value);
                }
            }
        }
        Json::Object(fields) => match (value, rest.is_empty()) {
            (None, true) => {
                fields.shift_remove(first);
            }
            (Some(value), true) => {
                fields.insert(first.clone(), value);
            }
            (None, false) => {
                if let Some(inner) = fields.get_mut(first) {
                    return override_at(inner, rest, None);
                }
            }
            (value, false) => {
                let inner = fields.entry(first.clone()).or_insert_with(|| json!({}));
                return override_at(inner, rest, value);
            }
        },
        _ => return Err(format!("there is no object or list to look for `{first}` in")),
    }
    Ok(())
}
