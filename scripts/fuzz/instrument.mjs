/**
 * Adds counters to JavaScript: `globalThis.__edges[n]` counts how often control reached place n. Places are the bodies of
 * functions and loops, the branches of conditions, cases, and the right sides of `&&`, `||` and `??`.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'acorn';

/** Inserts counters into the text of one module. Answers the new text and the next free number. */
export function instrument(text, firstPlace) {
  const tree = parse(text, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true });
  let place = firstPlace;
  const before = [];
  const after = [];
  const count = () => `__c[${place++}]++`;
  const insertAt = (list, at, what) => list.push({ at, what });

  /** A statement becomes a block that counts. */
  const statement = (node) => {
    if (node.type === 'BlockStatement') {
      insertAt(before, node.start + 1, `${count()};`);
      visit(node);
      return;
    }
    insertAt(before, node.start, `{${count()};`);
    visit(node);
    insertAt(after, node.end, '}');
  };
  const expression = (node) => {
    insertAt(before, node.start, `(${count()},`);
    visit(node);
    insertAt(after, node.end, ')');
  };
  const visitors = {
    IfStatement(node) {
      visit(node.test);
      statement(node.consequent);
      if (node.alternate === null) insertAt(after, node.end, `else{${count()};}`);
      else if (node.alternate.type === 'IfStatement') visit(node.alternate);
      else statement(node.alternate);
    },
    ConditionalExpression(node) {
      visit(node.test);
      expression(node.consequent);
      expression(node.alternate);
    },
    LogicalExpression(node) {
      visit(node.left);
      expression(node.right);
    },
    SwitchCase(node) {
      if (node.test !== null) visit(node.test);
      if (node.consequent.length > 0) insertAt(before, node.consequent[0].start, `${count()};`);
      node.consequent.forEach(visit);
    },
    CatchClause(node) {
      if (node.param !== null) visit(node.param);
      statement(node.body);
    },
  };
  for (const type of ['ForStatement', 'ForInStatement', 'ForOfStatement', 'WhileStatement', 'DoWhileStatement']) {
    visitors[type] = (node) => {
      for (const part of ['init', 'test', 'update', 'left', 'right']) if (node[part]) visit(node[part]);
      statement(node.body);
    };
  }
  for (const type of ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']) {
    visitors[type] = (node) => {
      node.params.forEach(visit);
      if (node.body.type === 'BlockStatement') statement(node.body);
      else expression(node.body);
    };
  }
  function visit(node) {
    const visitor = visitors[node.type];
    if (visitor !== undefined) {
      visitor(node);
      return;
    }
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) for (const each of value) if (typeof each?.type === 'string') visit(each);
      if (typeof value?.type === 'string') visit(value);
    }
  }
  visit(tree);
  if (place === firstPlace) return { text, next: place };

  // Where one thing ends and the next begins, the end comes first.
  const insertions = [
    ...after.map((each) => ({ ...each, order: 0 })),
    ...before.map((each) => ({ ...each, order: 1 })),
  ];
  const sorted = insertions
    .map((each, index) => ({ ...each, index }))
    .sort((a, b) => a.at - b.at || a.order - b.order || a.index - b.index);
  const hashBang = /^#!.*\n/.exec(text)?.[0] ?? '';
  let result = `${hashBang}const __c=globalThis.__edges??new Uint8Array(${1 << 20});`;
  let at = hashBang.length;
  for (const insertion of sorted) {
    result += text.slice(at, insertion.at) + insertion.what;
    at = insertion.at;
  }
  return { text: result + text.slice(at), next: place };
}

/** Instruments every module below a folder, in place. Answers the number of places. */
export function instrumentFolder(folder, first = 0) {
  let place = first;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: false }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) place = instrumentFolder(path, place);
    else if (entry.name.endsWith('.js')) {
      const { text, next } = instrument(readFileSync(path, 'utf8'), place);
      writeFileSync(path, text);
      place = next;
    }
  }
  return place;
}
