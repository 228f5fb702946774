"""The identity of a recorded spec: what `bench.spec.recipe_identity` is of a spec, of records of any age."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from bench.spec import RunSpec, Section, identity_of

Content = Mapping[str, Any]
Schema = type[Section]


def recorded_identity(content: Content, schema: Schema = RunSpec) -> dict[str, Any]:
    """Return the part of a recorded spec that decides the result, in the schema's order.

    What a record lacks because it is older has the schema's default. Keys at the top that the schema does not have are
    left out: W&B's configurations hold some of other tools.
    """
    known = {key: value for key, value in renamed(content).items() if key in schema.model_fields}
    return identity_of(fill_in(known, schema))


def recipe_without_model(content: Content) -> dict[str, Any]:
    """Return what of a recorded spec's identity is not the network: the same for all networks of one recipe.

    Weights that a network starts from are part of the recipe.
    """
    identity = recorded_identity(content)
    weights = (identity.get("model") or {}).get("weights")
    recipe = {key: value for key, value in identity.items() if key != "model"}
    return {**recipe, "weights": weights} if weights else recipe


def renamed(content: Content) -> Content:
    """Return a recorded spec with the keys of today in place of those it had when it was written."""
    optimizer = content.get("optimizer")
    if not isinstance(optimizer, Mapping) or "decay_norm_bias" not in optimizer:
        return content
    kept = {key: value for key, value in optimizer.items() if key != "decay_norm_bias"}
    return {**content, "optimizer": {**kept, "decay": "all" if optimizer["decay_norm_bias"] else "weights"}}


def fill_in(content: Content, schema: Schema) -> dict[str, Any]:
    """Return a section with the schema's defaults for what it lacks, and what the schema does not have behind that."""
    defaults = recorded_defaults(schema)
    result: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        kind = section_kind(field.annotation, content.get(name))
        if kind is not None and isinstance(content.get(name), Mapping):
            result[name] = fill_in(content[name], kind)
        elif name in content or name in defaults:
            result[name] = content.get(name, defaults.get(name))
    return {**result, **{key: value for key, value in content.items() if key not in result}}


def schema_defaults(content: Content, schema: Schema = RunSpec) -> dict[str, Any]:
    """Return every default of a section as nested plain data; where there are several kinds, of the content's kind.

    Keys without a default are left out.
    """
    result = dict(recorded_defaults(schema))
    for name, field in schema.model_fields.items():
        kind = section_kind(field.annotation, content.get(name))
        if kind is not None and isinstance(content.get(name), Mapping):
            result[name] = schema_defaults(content[name], kind)
    return result


@cache
def recorded_defaults(schema: Schema) -> Mapping[str, Any]:
    """Return the defaults of a section's keys as plain data, the way that records hold them."""
    return MappingProxyType(schema.model_construct().model_dump(mode="json", warnings=False))


def section_kind(annotation: Any, value: Any) -> Schema | None:
    """Return the section that a value is: of several kinds (optimizers) the one that has the value's `name`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    if get_origin(annotation) not in (Annotated, Union, UnionType):
        return None
    kinds = [kind for part in get_args(annotation) if (kind := section_kind(part, value))]
    name = value.get("name") if isinstance(value, Mapping) else None
    return next((kind for kind in kinds if name in allowed_names(kind)), kinds[0] if kinds else None)


def allowed_names(schema: Schema) -> tuple[Any, ...]:
    """Return the names that a kind of section goes by; none for a section whose name is not one of a few."""
    return get_args(schema.model_fields["name"].annotation) if "name" in schema.model_fields else ()
