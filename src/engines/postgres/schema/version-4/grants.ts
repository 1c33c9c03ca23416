// Released with version 4: never edited; add the next version.

/** As in version 3: a role may use a new function exactly if it may use the one that does the same for older servers. */
export const INHERIT_NEWEST_GRANTS = `
DO $grants$
DECLARE
  fresh regprocedure;
  server name;
BEGIN
  FOR fresh, server IN
    SELECT heir, rolname FROM (VALUES
        ('allocate_for(bigint[],text[],integer[],text[],boolean,text)',
          'allocate_one(bigint,text,integer,text,boolean,text)'),
        ('allocations_between(bigint,bigint,integer,boolean)', 'allocations_above(bigint,bigint,integer)')
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
