"""MiniStack 1.5.33 with the CloudFormation types that it lacks and the main app uses.

* AWS::IAM::Group, AWS::IAM::UserToGroupAddition, AWS::IAM::AccessKey: stored by MiniStack's own IAM service.
* AWS::CodeCommit::Repository with the CodeCommit calls GetRepository, ListRepositories.
* AWS::CodePipeline::Pipeline with the CodePipeline calls GetPipeline, ListPipelines.

An update that is cancelled does not wait any more for the signals of its wait conditions, and the name of a bucket that a change set
takes over is not taken, as on AWS.

A pipeline is refused as AWS refuses it: when its service role does not exist or does not trust CodePipeline, when its artifact
bucket does not exist, and when the role of an action does not exist or does not trust the pipeline's role.

MiniStack has no interface for this: the file reaches into its private tables, hence the pinned version.
"""

import asyncio
import contextvars
import copy
import json
import re
import sys
import types
import uuid

from parent import end_with_parent

from ministack import app
from ministack.core import router
from ministack.core.arn import parse_arn
from ministack.core.responses import (
    AccountRegionScopedDict,
    error_response_json,
    get_account_id,
    get_region,
    json_response,
)
from ministack.services import iam, s3
from ministack.services.cloudformation import changesets, handlers, provisioners, stacks, wait_conditions


# --- IAM -------------------------------------------------------------------------------------------------------------------


def iam_call(operation, parameters):
    """Runs one of MiniStack's IAM operations; an error becomes the resource's failure, with IAM's own message."""
    status, _headers, body = operation(parameters)
    body = body.decode() if isinstance(body, bytes) else body
    if status >= 400:
        message = re.search(r"<Message>(.*?)</Message>", body, re.DOTALL)
        raise ValueError(message.group(1) if message else body)
    return body


def group_policies(name, properties):
    for arn in properties.get("ManagedPolicyArns") or []:
        iam_call(iam._attach_group_policy, {"GroupName": name, "PolicyArn": arn})
    for policy in properties.get("Policies") or []:
        document = json.dumps(policy["PolicyDocument"])
        iam_call(iam._put_group_policy, {"GroupName": name, "PolicyName": policy["PolicyName"], "PolicyDocument": document})


def group_create(logical_id, properties, stack_name):
    name = properties.get("GroupName") or provisioners._physical_name(stack_name, logical_id, max_len=128)
    iam_call(iam._create_group, {"GroupName": name, "Path": properties.get("Path", "/")})
    group_policies(name, properties)
    return name, {"Arn": iam._groups[name]["Arn"]}


def group_update(name, old, new, _stack_name):
    for arn in old.get("ManagedPolicyArns") or []:
        iam_call(iam._detach_group_policy, {"GroupName": name, "PolicyArn": arn})
    for policy in old.get("Policies") or []:
        iam_call(iam._delete_group_policy, {"GroupName": name, "PolicyName": policy["PolicyName"]})
    group_policies(name, new)
    return name, {"Arn": iam._groups[name]["Arn"]}


def group_delete(name, _properties):
    if name in iam._groups:
        iam_call(iam._delete_group, {"GroupName": name})


def membership_create(logical_id, properties, stack_name):
    for user in properties["Users"]:
        iam_call(iam._add_user_to_group, {"GroupName": properties["GroupName"], "UserName": user})
    return f"{stack_name}-{logical_id}", {}


def membership_update(physical_id, old, new, stack_name):
    membership_delete(physical_id, old)
    membership_create(physical_id, new, stack_name)
    return physical_id, {}


def membership_delete(_physical_id, properties):
    group = iam._groups.get(properties["GroupName"])
    for user in properties["Users"] if group else []:
        if user in group["Users"]:
            group["Users"].remove(user)


def access_key_create(_logical_id, properties, _stack_name):
    body = iam_call(iam._create_access_key, {"UserName": properties["UserName"]})
    key_id = re.search(r"<AccessKeyId>(.*?)<", body).group(1)
    secret = re.search(r"<SecretAccessKey>(.*?)<", body).group(1)
    access_key_status(key_id, properties)
    return key_id, {"SecretAccessKey": secret}


def access_key_update(key_id, old, new, stack_name):
    # A new serial or user replaces the key; only the status changes in place.
    if (old.get("Serial"), old["UserName"]) != (new.get("Serial"), new["UserName"]):
        created = access_key_create(key_id, new, stack_name)
        access_key_delete(key_id, old)
        return created
    access_key_status(key_id, new)
    return key_id, {"SecretAccessKey": iam._access_keys[key_id]["SecretAccessKey"]}


def access_key_status(key_id, properties):
    iam._access_keys[key_id]["Status"] = properties.get("Status", "Active")


def access_key_delete(key_id, _properties):
    iam._access_keys.pop(key_id, None)


# --- CodeCommit ------------------------------------------------------------------------------------------------------------

repositories = AccountRegionScopedDict()


def repository_create(_logical_id, properties, _stack_name):
    name = properties["RepositoryName"]
    if name in repositories:
        raise ValueError(f"Repository named {name} already exists")
    repositories[name] = {
        "accountId": get_account_id(),
        "repositoryId": str(uuid.uuid4()),
        "repositoryName": name,
        "repositoryDescription": properties.get("RepositoryDescription"),
        "Arn": f"arn:aws:codecommit:{get_region()}:{get_account_id()}:{name}",
        "cloneUrlHttp": f"https://git-codecommit.{get_region()}.amazonaws.com/v1/repos/{name}",
        "cloneUrlSsh": f"ssh://git-codecommit.{get_region()}.amazonaws.com/v1/repos/{name}",
        "defaultBranch": (properties.get("Code") or {}).get("BranchName"),
        "kmsKeyId": properties.get("KmsKeyId"),
    }
    code = (properties.get("Code") or {}).get("S3")
    if code:
        repositories[name]["seededFrom"] = seed(code)
    return repository_attributes(name)


def seed(code):
    """The object that a repository is seeded from must be there, as CodeCommit wants it."""
    bucket = s3._buckets.get(code["Bucket"])
    if bucket is None or code["Key"] not in bucket["objects"]:
        raise ValueError(f"The object s3://{code['Bucket']}/{code['Key']} that the repository is seeded from does not exist")
    return f"s3://{code['Bucket']}/{code['Key']}"


def repository_update(_physical_id, old, new, _stack_name):
    repository = repositories.pop(old["RepositoryName"])
    repository["repositoryName"] = new["RepositoryName"]
    repository["repositoryDescription"] = new.get("RepositoryDescription")
    repositories[new["RepositoryName"]] = repository
    return repository_attributes(new["RepositoryName"])


def repository_attributes(name):
    repository = repositories[name]
    attributes = {
        "Arn": repository["Arn"],
        "Name": name,
        "CloneUrlHttp": repository["cloneUrlHttp"],
        "CloneUrlSsh": repository["cloneUrlSsh"],
    }
    return repository["repositoryId"], attributes


def repository_delete(_physical_id, properties):
    repositories.pop(properties["RepositoryName"], None)


def get_repository(request):
    repository = repositories.get(request["repositoryName"])
    if repository is None:
        return error_response_json("RepositoryDoesNotExistException", f"{request['repositoryName']} does not exist", 400)
    return json_response({"repositoryMetadata": repository})


def list_repositories(_request):
    names = [{"repositoryName": r["repositoryName"], "repositoryId": r["repositoryId"]} for r in repositories.values()]
    return json_response({"repositories": names})


# --- CodePipeline ----------------------------------------------------------------------------------------------------------

pipelines = AccountRegionScopedDict()


def pipeline_create(logical_id, properties, stack_name):
    name = properties.get("Name") or provisioners._physical_name(stack_name, logical_id, max_len=100)
    if name in pipelines:
        raise ValueError(f"A pipeline with the name '{name}' already exists in account '{get_account_id()}'")
    check_pipeline(properties)
    pipelines[name] = {"properties": copy.deepcopy(properties), "version": 1}
    return name, {"Version": "1"}


def pipeline_update(name, _old, new, _stack_name):
    check_pipeline(new)
    pipelines[name] = {"properties": copy.deepcopy(new), "version": pipelines[name]["version"] + 1}
    return name, {"Version": str(pipelines[name]["version"])}


def pipeline_delete(name, _properties):
    pipelines.pop(name, None)


def check_pipeline(properties):
    service_role = properties["RoleArn"]
    if not trusts(service_role, service="codepipeline.amazonaws.com"):
        raise ValueError(f"CodePipeline is not authorized to perform AssumeRole on role {service_role}")
    stores = [properties["ArtifactStore"]] if "ArtifactStore" in properties else []
    stores += [store["ArtifactStore"] for store in properties.get("ArtifactStores") or []]
    for store in stores:
        if not any(name == store["Location"] for (_account, name) in s3._buckets._data):
            raise ValueError(f"The artifact bucket {store['Location']} does not exist")
    for stage in properties["Stages"]:
        for action in stage["Actions"]:
            role = action.get("RoleArn")
            if role and not trusts(role, principal=service_role):
                raise ValueError(f"{service_role} is not authorized to perform AssumeRole on role {role}")


def trusts(role_arn, service=None, principal=None):
    """Whether the role exists and its trust policy lets the service, or the principal, assume it. Any account's role."""
    account = parse_arn(role_arn).account_id
    role = iam._roles._data.get((account, role_arn.rsplit("/", 1)[1]))
    if role is None:
        return False
    document = role["AssumeRolePolicyDocument"]
    document = json.loads(document) if isinstance(document, str) else document
    return any(statement_trusts(s, service, principal) for s in as_list(document["Statement"]))


def statement_trusts(statement, service, principal):
    if statement["Effect"] != "Allow" or "sts:AssumeRole" not in as_list(statement["Action"]):
        return False
    trusted = statement.get("Principal") or {}
    if service:
        return service in as_list(trusted.get("Service", []))
    conditions = statement.get("Condition") or {}
    for operator in ("ArnEquals", "ArnLike", "StringEquals"):
        named = as_list(conditions.get(operator, {}).get("aws:PrincipalArn", []))
        if named and principal not in named:
            return False
    root = f"arn:aws:iam::{parse_arn(principal).account_id}:root"
    return bool({principal, root, root.split(":")[4]} & set(as_list(trusted.get("AWS", []))))


def as_list(value):
    return value if isinstance(value, list) else [value]


def get_pipeline(request):
    pipeline = pipelines.get(request["name"])
    if pipeline is None:
        message = f"Account '{get_account_id()}' does not have a pipeline with name '{request['name']}'"
        return error_response_json("PipelineNotFoundException", message, 400)
    structure = camel_case(pipeline["properties"]) | {"name": request["name"], "version": pipeline["version"]}
    arn = f"arn:aws:codepipeline:{get_region()}:{get_account_id()}:{request['name']}"
    return json_response({"pipeline": structure, "metadata": {"pipelineArn": arn}})


def list_pipelines(_request):
    return json_response({"pipelines": [{"name": name, "version": p["version"]} for name, p in pipelines.items()]})


def camel_case(value, inside_map=False):
    """CloudFormation's property names as the service writes them; the keys of a configuration stay as they are."""
    if isinstance(value, list):
        return [camel_case(item) for item in value]
    if not isinstance(value, dict) or inside_map:
        return value
    return {key[0].lower() + key[1:]: camel_case(item, key == "Configuration") for key, item in value.items()}


# --- CloudFormation --------------------------------------------------------------------------------------------------------

cancel = handlers._cancel_update_stack
openers = set()


def cancel_update_stack(parameters):
    """MiniStack looks for a cancellation between two resources only."""
    answer = cancel(parameters)
    if answer[0] == 200:
        stack = handlers._resolve_stack(handlers._p(parameters, "StackName"))
        opener = asyncio.get_running_loop().create_task(open_gates(stack))
        openers.add(opener)
        opener.add_done_callback(openers.discard)
    return answer


async def open_gates(stack):
    """A wait condition that is about to wait is met too: hence the loop."""
    while stack["StackStatus"] == "UPDATE_IN_PROGRESS":
        for stack_id, logical_id in list(wait_conditions._waiting):
            if stack_id == stack["StackId"]:
                wait_conditions.signal_resource(stack_id, logical_id, "cancelled", "SUCCESS")
        await asyncio.sleep(0.01)


handlers._ACTION_HANDLERS["CancelUpdateStack"] = cancel_update_stack

deploy_stack = stacks._deploy_stack_async
validation_errors = stacks._validation_errors
taken_over = contextvars.ContextVar("taken_over", default=frozenset())


async def deploy_stack_that_takes_over(*arguments, imports=None, **options):
    taken_over.set(frozenset(imports or {}))
    return await deploy_stack(*arguments, imports=imports, **options)


def validation_errors_of_what_is_made(*arguments):
    """MiniStack checks the names of buckets that exist and are taken over, too."""
    return [
        error
        for error in validation_errors(*arguments)
        if error[0] not in taken_over.get() or error[2] != "NAME_CONFLICT_VALIDATION"
    ]


changesets._deploy_stack_async = deploy_stack_that_takes_over
stacks._validation_errors = validation_errors_of_what_is_made


# --- Registration ----------------------------------------------------------------------------------------------------------


def add_service(name, target_prefix, operations):
    async def handle_request(_method, _path, headers, body, _query):
        operation = operations.get(headers.get("x-amz-target", "").rsplit(".", 1)[-1])
        if operation is None:
            return error_response_json("UnknownOperationException", f"{name} answers only {', '.join(operations)}", 400)
        return operation(json.loads(body or "{}"))

    router.SERVICE_PATTERNS[name] = {"target_prefixes": [target_prefix], "credential_scope": name}
    app.SERVICE_HANDLERS[name] = handle_request
    sys.modules[f"ministack.services.{name}"] = types.ModuleType(f"ministack.services.{name}")


add_service("codecommit", "CodeCommit_20150413", {"GetRepository": get_repository, "ListRepositories": list_repositories})
add_service("codepipeline", "CodePipeline_20150709", {"GetPipeline": get_pipeline, "ListPipelines": list_pipelines})

provisioners._RESOURCE_HANDLERS |= {
    "AWS::IAM::Group": {"create": group_create, "update": group_update, "delete": group_delete},
    "AWS::IAM::UserToGroupAddition": {"create": membership_create, "update": membership_update, "delete": membership_delete},
    "AWS::IAM::AccessKey": {"create": access_key_create, "update": access_key_update, "delete": access_key_delete},
    "AWS::CodeCommit::Repository": {"create": repository_create, "update": repository_update, "delete": repository_delete},
    "AWS::CodePipeline::Pipeline": {"create": pipeline_create, "update": pipeline_update, "delete": pipeline_delete},
}

if __name__ == "__main__":
    end_with_parent()
    app.main()
