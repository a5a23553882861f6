"""The CloudFormation template as the checks see it: parsed, and filled in with example names."""

import re
import unittest

from common import AWS, module

# what the template is filled with here; policies/*.json have the same words
FILL = {"AWS::Partition": "aws", "AWS::Region": "REGION", "AWS::AccountId": "ACCOUNT", "AWS::URLSuffix": "amazonaws.com",
        "DatasetBucket": "DATASET-BUCKET", "DatasetBucket.Arn": "arn:aws:s3:::DATASET-BUCKET", "InputBucket": "INPUT-BUCKET",
        "InputPrefix": "INPUT-PREFIX", "KmsKeyArn": "KEY-ARN", "SpotQueue": "SPOT-QUEUE-ARN", "FargateQueue": "FARGATE-QUEUE-ARN",
        "WorkDefinition": "WORK-DEFINITION-ARN", "FinalizeDefinition": "FINALIZE-DEFINITION-ARN", "LogGroup": "LOG-GROUP",
        "Image": "REGISTRY/varbatch@sha256:DIGEST", "JobRole.Arn": "arn:aws:iam::ACCOUNT:role/JOB-ROLE",
        "ExecutionRole.Arn": "arn:aws:iam::ACCOUNT:role/EXECUTION-ROLE"}


def template():
    """The template, its short functions as in the long form: {"Ref": x}, {"GetAtt": "a.b"}, ..."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def short(loader, suffix, node):
        kinds = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence,
                 yaml.MappingNode: loader.construct_mapping}
        deep = {} if isinstance(node, yaml.ScalarNode) else {"deep": True}
        return {suffix: kinds[type(node)](node, **deep)}

    Loader.add_multi_constructor("!", short)
    return yaml.load((AWS / "template.yaml").read_text(), Loader)


def filled(value, defaults):
    """A value of the template, filled in; conditions are taken as true."""
    look = lambda name: str(FILL.get(name, defaults.get(name, name)))
    if isinstance(value, list):
        return [filled(one, defaults) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (key, inner), = value.items()
        if key in ("Ref", "GetAtt"):
            found = look(inner)
            return int(found) if key == "Ref" and found.isdigit() else found
        if key == "Sub":
            return re.sub(r"\$\{([^}]+)\}", lambda match: look(match[1]), inner)
        if key == "If":
            return filled(inner[1], defaults)
    return {key: filled(inner, defaults) for key, inner in value.items()}


def listed(value):
    return value if isinstance(value, list) else [value]


def lower_first(value):
    """Keys as the services' APIs write them, but for those of maps that the user fills."""
    if isinstance(value, list):
        return [lower_first(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key[0].lower() + key[1:]: inner if key in ("Options", "Tags") else lower_first(inner) for key, inner in value.items()}


class Filled(unittest.TestCase):
    def setUp(self):
        module("yaml")
        self.template = template()
        self.defaults = {name: found.get("Default", name) for name, found in self.template["Parameters"].items()}
        self.resources = filled(self.template["Resources"], self.defaults)

    def of_type(self, kind):
        return {name: found["Properties"] for name, found in self.resources.items() if found["Type"] == kind}

    def policies(self):
        """All that is granted: name, statements."""
        for name, role in self.of_type("AWS::IAM::Role").items():
            for policy in role.get("Policies", []):
                yield name, policy["PolicyDocument"]["Statement"]
        for name, policy in self.of_type("AWS::IAM::ManagedPolicy").items():
            yield name, policy["PolicyDocument"]["Statement"]
