"""LocalEmu 1.3.2 as two accounts need it.

* It listens on the loopback interface only; by itself it binds every interface, whatever GATEWAY_LISTEN says.
* Across accounts, both sides must allow. LocalEmu has an evaluator for the resource's side (`resource_policies`) but lets either side
  suffice; here its two evaluators are asked one after the other.
* Key policies count: LocalEmu looks for them in a store that it does not use.
* `aws:PrincipalArn` of a session is the role's ARN, as AWS has it, and `aws:ResourceAccount` and `kms:ResourceAliases` are known.
* The ARN of a resource of a type that LocalEmu does not know (it makes nothing, and says so) has the form of one, so that policies can name it.
* A rule may have a pipeline as its target. As LocalEmu has no pipelines, nothing is started.
* Every request counts as sent over TLS (`aws:SecureTransport`), though it comes over plain HTTP on the loopback interface.
* Reading or writing an object in a bucket that is encrypted by a KMS key needs the key too, `kms:ViaService` S3.

Which statements apply to a request, what roles and sessions may do, and who may assume a role is all LocalEmu's own judgement.
"""

import json

from parent import end_with_parent
from twisted.internet import endpoints

listen = endpoints.TCP4ServerEndpoint


def listen_on_loopback(reactor, port, *arguments, **options):
    return listen(reactor, port, *arguments, **{**options, "interface": "127.0.0.1"})


def enforce_both_sides():
    from localemu.services.iam_enforcement import enforcer, resource_policies
    from localemu.services.iam_enforcement.evaluator import Decision, PolicyEvaluator

    one_side = PolicyEvaluator.evaluate
    # What S3 asks of a bucket's key.
    key_action = {"s3:GetObject": "kms:Decrypt", "s3:PutObject": "kms:GenerateDataKey"}

    def evaluate(self, caller, action, resource, conditions, resource_policy=None):
        conditions = {**conditions, **context_keys(caller, resource)}
        decision = both_sides(self, caller, action, resource, conditions, resource_policy)
        key = bucket_key(resource) if action in key_action else None
        if decision == Decision.ALLOW and key:
            via = {**conditions, "kms:ViaService": f"s3.{key.split(':')[3]}.amazonaws.com", **context_keys(caller, key)}
            decision = both_sides(self, caller, key_action[action], key, via, key_policy(key))
        return decision

    def both_sides(self, caller, action, resource, conditions, resource_policy):
        owner, service = owner_of(resource), resource.split(":")[2]
        if caller.principal_type == "Root" or owner is None or owner == caller.account_id or service not in ("s3", "kms"):
            return one_side(self, caller, action, resource, conditions, resource_policy)
        identity = one_side(self, caller, action, resource, conditions, None)
        if identity != Decision.ALLOW:
            return identity
        region = resource.split(":")[3]
        policy = key_policy(resource) if service == "kms" else enforcer._get_resource_policy(service, resource, owner, region)
        target = resource_policies.ResourceTarget(service=service, arn=resource, account_id=owner, region=region, name="")
        answer = resource_policies.evaluate_resource_policy(
            policy or {}, target, caller.account_id, role_arn(caller), action, condition_context=conditions
        )
        return {
            resource_policies.Decision.ALLOW: Decision.ALLOW,
            resource_policies.Decision.EXPLICIT_DENY: Decision.EXPLICIT_DENY,
        }.get(answer, Decision.IMPLICIT_DENY)

    PolicyEvaluator.evaluate = evaluate


def name_what_is_not_made():
    from localemu.services.cloudformation.engine.v2 import change_set_model_preproc as preproc

    own = preproc.ChangeSetModelPreproc._deployed_property_value_of

    def value_of(self, resource_logical_id, property_name, resolved_resources):
        value = own(self, resource_logical_id, property_name, resolved_resources)
        if value != preproc.MOCKED_REFERENCE or property_name != "Arn":
            return value
        _, service, kind = resolved_resources[resource_logical_id]["Type"].lower().split("::")
        stack = self._change_set.stack
        return f"arn:aws:{service}:{stack.region_name}:{stack.account_id}:{kind}/{resource_logical_id}"

    preproc.ChangeSetModelPreproc._deployed_property_value_of = value_of


def take_pipelines_as_targets():
    from localemu.services.events.target import TargetSender, TargetSenderFactory

    class PipelineTargetSender(TargetSender):
        def send_event(self, event, trace_header):
            pass

    TargetSenderFactory.register_target_sender("codepipeline", PipelineTargetSender)


def role_arn(caller):
    if caller.principal_type != "AssumedRole":
        return caller.arn
    return f"arn:aws:iam::{caller.account_id}:role/{caller.role_name}"


def context_keys(caller, resource):
    keys = {"aws:PrincipalArn": role_arn(caller), "aws:SecureTransport": "true"}
    owner = owner_of(resource)
    if owner:
        keys["aws:ResourceAccount"] = owner
    if ":kms:" in resource:
        keys["kms:ResourceAliases"] = aliases(resource)
    return keys


def key_store(key_arn):
    from localemu.services.kms.models import kms_stores

    _, _, _, region, account, key = key_arn.split(":", 5)
    return kms_stores[account][region], key.removeprefix("key/")


def key_policy(key_arn):
    store, key_id = key_store(key_arn)
    return json.loads(store.keys[key_id].policy) if key_id in store.keys else None


def aliases(key_arn):
    store, key_id = key_store(key_arn)
    return [name for name, alias in store.aliases.items() if alias.metadata["TargetKeyId"] == key_id]


def bucket_of(resource):
    from localemu.constants import AWS_REGION_US_EAST_1
    from localemu.services.s3.models import s3_stores

    name = resource.split(":::", 1)[1].split("/", 1)[0]
    for account in list(s3_stores):
        bucket = s3_stores[account][AWS_REGION_US_EAST_1].buckets.get(name)
        if bucket is not None:
            return account, bucket
    return None, None


def owner_of(resource):
    """The account that owns a resource; a bucket's is not in its ARN."""
    if resource.startswith("arn:aws:s3:::"):
        return bucket_of(resource)[0]
    return resource.split(":")[4] or None


def bucket_key(resource):
    _account, bucket = bucket_of(resource)
    rule = getattr(bucket, "encryption_rule", None) or {}
    key = rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")
    return key if key and key.startswith("arn:") else None


endpoints.TCP4ServerEndpoint = listen_on_loopback

if __name__ == "__main__":
    from localemu.runtime import main

    enforce_both_sides()
    name_what_is_not_made()
    take_pipelines_as_targets()
    end_with_parent()
    main.main()
