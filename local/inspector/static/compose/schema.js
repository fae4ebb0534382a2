/** JSON schema, as far as a form needs it: which of several forms a value has, its fields, and a first value. */

import { kindOf } from "../json.js";

const KINDS = { integer: "number" };

/** Follows references. */
function resolve(schema, root) {
  let found = schema ?? {};
  while (typeof found.$ref === "string") found = root.$defs?.[found.$ref.split("/").at(-1)] ?? {};
  return found;
}

/** Returns the forms that a value may have, without nested choices. */
function branches(schema, root) {
  const found = resolve(schema, root);
  const choices = found.anyOf ?? found.oneOf;
  return choices ? choices.flatMap((choice) => branches(choice, root)) : [found];
}

function kindOfSchema(schema) {
  if (schema.const !== undefined) return kindOf(schema.const);
  if (schema.enum) return kindOf(schema.enum[0]);
  return KINDS[schema.type] ?? schema.type;
}

const typeConstant = (schema, root) => resolve(schema.properties?.type, root).const;

/** Returns the form that fits a value; {} if none does. */
export function schemaFor(value, schema, root) {
  const fitting = branches(schema, root).filter((each) => kindOfSchema(each) === kindOf(value));
  const byType = fitting.find((each) => typeConstant(each, root) !== undefined && typeConstant(each, root) === value?.type);
  return byType ?? fitting.find((each) => typeConstant(each, root) === undefined) ?? fitting[0] ?? {};
}

/** Returns the texts that a value is chosen from, or null. */
export function choicesOf(schema, root) {
  const texts = branches(schema, root).flatMap((each) => each.enum ?? (each.const === undefined ? [] : [each.const]));
  return texts.length && texts.every((text) => typeof text === "string") ? [...new Set(texts)] : null;
}

/** Returns the schema of a field of an object, or of an item of a list. */
export function schemaOfPart(schema, part) {
  if (typeof part === "number") return schema.items ?? {};
  const others = schema.additionalProperties;
  return schema.properties?.[part] ?? (typeof others === "object" ? others : {});
}

/** Returns the names of the fields that a schema knows. */
export const fieldNames = (schema) => Object.keys(schema.properties ?? {});

/** Returns whether a field may be absent. */
export const isOptional = (schema, name) => name !== "type" && !(schema.required ?? []).includes(name);

/** Returns the kinds of item that a list may have, by the name of their type; empty if there is only one. */
export function itemTypes(schema, root) {
  const typed = branches(schema.items ?? {}, root).filter((each) => typeof typeConstant(each, root) === "string");
  return typed.length > 1 ? new Map(typed.map((each) => [typeConstant(each, root), each])) : new Map();
}

/** Returns a first value. */
export function blank(schema, root) {
  const [first] = branches(schema, root).filter((each) => each.type !== "null");
  if (!first) return null;
  if (first.const !== undefined) return first.const;
  if (first.enum) return first.enum[0];
  if (first.default !== undefined && first.default !== null) return first.default;
  if (first.type === "object") return blankObject(first, root);
  return { array: [], string: "", integer: 0, number: 0, boolean: false }[first.type] ?? "";
}

function blankObject(schema, root) {
  const names = fieldNames(schema).filter((name) => !isOptional(schema, name));
  return Object.fromEntries(names.map((name) => [name, blank(schema.properties[name], root)]));
}
