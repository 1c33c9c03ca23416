import { TABLE_DEFINITION } from '../table/table-definition.ts';

/** A value of a template: what JSON and YAML have in common, without numbers. */
export type TemplateValue = string | boolean | readonly TemplateValue[] | { readonly [name: string]: TemplateValue };

/**
 * The CloudFormation template of a table, for operators whose servers may not create one:
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
 *
 * A stack that is deleted, or that replaces the table, leaves it: it has numbers that were given.
 */
export function tableTemplate(table: string): TemplateValue {
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: 'The table of an order-numbers ledger',
    Resources: {
      Ledger: {
        Type: 'AWS::DynamoDB::Table',
        DeletionPolicy: 'Retain',
        UpdateReplacePolicy: 'Retain',
        Properties: {
          TableName: table,
          ...TABLE_DEFINITION,
          DeletionProtectionEnabled: true,
          PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        },
      },
    },
  };
}

/** What YAML would take for something other than a string. */
const NO_PLAIN_TEXT = /^(true|false|yes|no|on|off|null)$|: /i;

/** The value as YAML, whose strings are quoted where they have to be. */
export function yamlOf(value: TemplateValue, indent = ''): string {
  if (typeof value === 'boolean') return String(value);
  // A letter first, so that it is no number, date or mark of YAML.
  if (typeof value === 'string') {
    return /^[A-Za-z][\w :-]*\w$/.test(value) && !NO_PLAIN_TEXT.test(value) ? value : quoted(value);
  }
  const isList = Array.isArray(value);
  const lines = Object.entries(value).map(([name, each]: [string, TemplateValue]) => {
    const inner = yamlOf(each, `${indent}  `);
    if (isList) return `${indent}- ${inner.trimStart()}`;
    return `${indent}${name}:${typeof each === 'object' ? '\n' : ' '}${inner}`;
  });
  return lines.join('\n');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
