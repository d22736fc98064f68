/**
 * A driver broke a rule of the contract: a programming error. Refusals and failures that the contract provides for are
 * statuses, never this.
 */
export class RuleViolation extends Error {
  /** Id of the rule in spec/rules.yaml, `INIT-07`. */
  readonly rule: string;

  constructor(rule: string, what: string) {
    super(`${rule}: ${what}`);
    this.name = 'RuleViolation';
    this.rule = rule;
  }
}
