// Who may import whom: the architecture as rules (see ARCHITECTURE.md).
const only = (name, comment, path, allowed) => ({
  name,
  comment,
  severity: 'error',
  from: { path },
  to: { path: '^(functions|orchestrations|shared|local|cli|console|scripts|tests|examples)/', pathNot: allowed },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycle',
      comment: 'A cycle at run time hides who depends on whom; two files may know each other by type.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    only('contracts', 'Contracts are the nouns: they know nothing.', '^shared/contracts/', '^shared/(contracts|errors)/'),
    only('errors', 'Errors know nothing.', '^shared/errors/', '^shared/errors/'),
    only('decisions', 'Decisions are pure: contracts and errors only.', '^shared/decisions/', '^shared/(contracts|errors|decisions)/'),
    only('ports', 'Ports speak in contracts.', '^shared/ports/', '^shared/(contracts|errors|ports)/'),
    only(
      'orchestrations',
      'Orchestrations narrate: contracts, errors, decisions.',
      '^orchestrations/',
      '^(orchestrations/|shared/(contracts|errors|decisions)/)',
    ),
    only(
      'activities',
      'An activity does one step through ports.',
      '^functions/activities/',
      '^(functions/activities/|shared/(contracts|errors|decisions|ports|observability)/)',
    ),
    only(
      'triggers',
      'A trigger parses, asks a decision, starts or signals.',
      '^functions/triggers/',
      '^(functions/triggers/|shared/(contracts|errors|decisions|ports|observability)/)',
    ),
    only('clients', 'Clients are authenticated transports.', '^shared/clients/', '^shared/(clients|errors|contracts)/'),
    only('config', 'Config reads the environment and knows nothing else.', '^shared/config/', '^shared/(config|errors|contracts)/'),
    {
      name: 'adapter-walls',
      comment: 'An adapter speaks for one system; nobody imports another adapter.',
      severity: 'error',
      from: { path: '^shared/adapters/([^/]+)/' },
      to: {
        path: '^(functions|orchestrations|shared|local|cli|console)/',
        pathNot: '^shared/(adapters/$1/|ports/|contracts/|errors/|decisions/|clients/)',
      },
    },
    only('host-stands-alone', 'The local host imports nothing of the product.', '^local/host/', '^local/host/'),
    only('cloud-stands-alone', 'Stand-ins import nothing of the product.', '^local/cloud/', '^local/cloud/'),
    only(
      'cli',
      'The CLI knows the HTTP contracts and the local stack.',
      '^cli/',
      '^(cli/|shared/(contracts|errors)/|local/stack/|examples/)',
    ),
    {
      name: 'nobody-imports-app',
      comment: 'app.ts is the composition root.',
      severity: 'error',
      from: { pathNot: '^(tests|scripts)/' },
      to: { path: '^functions/app\\.ts$' },
    },
    {
      name: 'no-orphan-rooms',
      comment: 'Rooms are named after roles.',
      severity: 'error',
      from: {},
      to: { path: '/(utils|helpers|common|services)/', pathNot: 'node_modules' },
    },
    {
      name: 'declared-packages',
      comment: 'Every package is declared in package.json.',
      severity: 'error',
      from: { pathNot: '^(tests|scripts)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|\\.sluice|node_modules)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
