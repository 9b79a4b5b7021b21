// What aws-cdk-lib calls things. Reads {"paths": [[id, ...], ...], "account", "region"} from standard input, where a path starts with the stack's
// id; writes [{"logicalId", "physicalName"}, ...] in the same order. Run it in a folder where aws-cdk-lib is installed.
const path = require("path");
const cdk = require(path.resolve("node_modules/aws-cdk-lib"));
const { generatePhysicalName } = require(path.resolve("node_modules/aws-cdk-lib/core/lib/private/physical-name-generator.js"));

const { paths, account, region } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const app = new cdk.App();

function scopeOf(ids) {
  let scope = app;
  for (const [depth, id] of ids.entries()) {
    const child = scope.node.tryFindChild(id);
    scope = child ?? (depth === 0 ? new cdk.Stack(app, id, { env: { account, region } }) : new cdk.Resource(scope, id));
  }
  return scope;
}

const names = paths.map((ids) => {
  const parent = scopeOf(ids.slice(0, -1));
  const last = ids[ids.length - 1];
  // Its own element for each question: an L1 for the logical id, an L2 for the name, each at exactly this path.
  const resource = new cdk.Resource(parent, last);
  const physicalName = generatePhysicalName(resource);
  parent.node.tryRemoveChild(last);
  const element = new cdk.CfnResource(parent, last, { type: "AWS::SNS::Topic" });
  const logicalId = cdk.Stack.of(element).resolve(element.logicalId);
  parent.node.tryRemoveChild(last);
  return { logicalId, physicalName };
});
process.stdout.write(JSON.stringify(names));
