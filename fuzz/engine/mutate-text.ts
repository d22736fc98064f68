/** Mutations of text: of words, numbers and lines, and now and then of single bytes. */
import { type MutationMaterial, mutateBytes } from './mutate-bytes.ts';

const TOKEN = /[A-Za-z_]\w*|\d+(?:\.\d+)?|\s+|[^\w\s]/g;
const NUMBERS = [
  '0',
  '1',
  '-1',
  '2',
  '255',
  '256',
  '65535',
  '65536',
  '2147483647',
  '4294967295',
  '4294967296',
  '1e9',
  '.1',
  '0x7f',
];

/** A copy of `input` with one to eight changes. */
export function mutateText(input: Uint8Array, material: MutationMaterial): Uint8Array {
  const { random } = material;
  if (random.below(8) === 0) return mutateBytes(input, material);
  let text = new TextDecoder().decode(input);
  const changes = 1 << random.below(4);
  for (let change = 0; change < changes; change++) text = changeText(text, material);
  return new TextEncoder().encode(text);
}

function changeText(text: string, material: MutationMaterial): string {
  const { random } = material;
  if (random.below(3) === 0) return changeLines(text, material);
  const tokens = text.match(TOKEN) ?? [];
  if (tokens.length === 0) return word(material);
  const at = random.below(tokens.length);
  switch (random.below(6)) {
    case 0:
      tokens.splice(at, 1 + random.below(3));
      break;
    case 1:
      tokens.splice(at, 0, ...tokens.slice(at, at + 1 + random.below(4)));
      break;
    case 2:
      tokens[at] = tokens[random.below(tokens.length)];
      break;
    case 3:
      tokens[at] = changedNumber(tokens[at], material);
      break;
    case 4:
      tokens.splice(at, 0, word(material));
      break;
    default:
      tokens[at] = word(material);
  }
  return tokens.join('');
}

function changedNumber(token: string, { random }: MutationMaterial): string {
  const value = Number(token);
  if (Number.isNaN(value) || random.below(2) === 0) return NUMBERS[random.below(NUMBERS.length)];
  return String(value + random.below(9) - 4);
}

function word({ random, dictionary, other }: MutationMaterial): string {
  if (dictionary.length > 0 && random.below(3) > 0) {
    return new TextDecoder().decode(dictionary[random.below(dictionary.length)]);
  }
  const tokens = new TextDecoder().decode(other()).match(TOKEN) ?? ['0'];
  return tokens[random.below(tokens.length)];
}

function changeLines(text: string, { random, other }: MutationMaterial): string {
  const lines = text.split('\n');
  const at = random.below(lines.length);
  switch (random.below(4)) {
    case 0:
      lines.splice(at, 1);
      break;
    case 1:
      lines.splice(random.below(lines.length), 0, lines[at]);
      break;
    case 2: {
      const others = new TextDecoder().decode(other()).split('\n');
      const from = random.below(others.length);
      lines.splice(at, 0, ...others.slice(from, from + 1 + random.below(5)));
      break;
    }
    default: {
      const second = random.below(lines.length);
      [lines[at], lines[second]] = [lines[second], lines[at]];
    }
  }
  return lines.join('\n');
}
