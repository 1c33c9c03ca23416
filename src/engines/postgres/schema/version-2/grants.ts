// Released with version 2: never edited; add the next version.

/**
 * Lets every role that could read before use the functions of this migration, and none that was withheld: the id of
 * this transaction tells which functions it has created. It has to run before anything else touches them.
 */
export const KEEP_GRANTS = `
DO $grants$
DECLARE
  created regprocedure;
  server name;
BEGIN
  FOR created, server IN
    SELECT fresh.oid, rolname FROM pg_proc AS old CROSS JOIN aclexplode(old.proacl) JOIN pg_roles ON pg_roles.oid = grantee
      JOIN pg_proc AS fresh USING (pronamespace)
    WHERE pronamespace = 'order_numbers'::regnamespace AND old.proname = 'ledger_end' AND grantee <> old.proowner
      AND fresh.xmin = pg_current_xact_id()::xid
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', created, server);
  END LOOP;
END $grants$;
`;
