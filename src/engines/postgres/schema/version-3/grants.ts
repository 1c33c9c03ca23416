// Released with version 3: never edited; add the next version.

/**
 * Lets a role use a new function exactly if it could use the one that the new one replaces: a role that only reads stays
 * one. What another migration of the same transaction has created or touched does not matter.
 */
export const INHERIT_GRANTS = `
DO $grants$
DECLARE
  fresh regprocedure;
  server name;
BEGIN
  FOR fresh, server IN
    SELECT heir, rolname FROM (VALUES
        ('last_up_to_order_id(bigint)', 'allocation_up_to_order_id(bigint)'),
        ('last_up_to_order_number(bigint,bigint)', 'allocation_up_to_order_number(bigint,bigint)'),
        ('by_request_id(bigint,text)', 'allocation_by_request_id(bigint,text)'),
        ('list_allocations(bigint,bigint,integer,boolean)', 'allocations_between(bigint,bigint,integer,boolean)'),
        ('list_store_allocations(bigint,bigint,bigint,integer,boolean)',
          'store_allocations_between(bigint,bigint,bigint,integer,boolean)'),
        ('allocate(bigint[],text[],integer[],boolean,text)',
          'allocate_for(bigint[],text[],integer[],text[],boolean,text)'),
        ('change_store(bigint,bigint,text,text,integer,text)', 'update_store(bigint,bigint,text,text,integer,text)')
      ) AS pair (known_name, heir_name)
    CROSS JOIN LATERAL (SELECT ('order_numbers.' || known_name)::regprocedure, ('order_numbers.' || heir_name)::regprocedure)
      AS function (known, heir)
    JOIN pg_proc ON pg_proc.oid = known CROSS JOIN aclexplode(proacl) JOIN pg_roles ON pg_roles.oid = grantee
    WHERE grantee <> proowner AND privilege_type = 'EXECUTE'
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', fresh, server);
  END LOOP;
END $grants$;
`;
