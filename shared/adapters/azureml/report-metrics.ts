// What a trial's run report says, told to the trial's own run in MLflow: the service's search compares trials by what is logged there, and
// components that follow the protocol write a report and need no MLflow. Standard library of Python only (facts/mlflow.md §1, §2, §9).
import { ownPlace, quoted } from './script.ts';

/** The service keeps so many names of metrics of a run (facts/mlflow.md §9). */
const MAX_NAMES = 50;
const HEREDOC = 'SLUICE_METRICS';

const PROGRAM = `
import json, math, os, re, sys, time, urllib.request

class Still(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None  # a token must not follow to another host

path, first = sys.argv[1:3]
server, run = os.environ.get('MLFLOW_TRACKING_URI', ''), os.environ.get('MLFLOW_RUN_ID', '')
with open(path, encoding='utf-8') as file:
    said = json.load(file).get('metrics', {})
numbers = {name: value for name, value in said.items() if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)}
names = sorted(numbers, key=lambda name: (name != first, name))[:${MAX_NAMES}]
now = int(time.time() * 1000)
metrics = [{'key': re.sub(r'[^\\w\\-.:/ ]', '_', name)[:100], 'value': numbers[name], 'timestamp': now, 'step': 0} for name in names]
host = server.partition('://')[2].partition('/')[0]
scheme = 'http' if host.partition(':')[0] in ('127.0.0.1', 'localhost') else 'https'
address = scheme + '://' + server.partition('://')[2].rstrip('/') + '/api/2.0/mlflow/runs/log-batch'
body = json.dumps({'run_id': run, 'metrics': metrics, 'params': [], 'tags': []}).encode()
headers = {'Content-Type': 'application/json', 'Authorization': 'Bearer ' + os.environ.get('MLFLOW_TRACKING_TOKEN', '')}
opener = urllib.request.build_opener(Still)
for attempt in range(5):
    try:
        opener.open(urllib.request.Request(address, body, headers), timeout=30).close()
        break
    except OSError as error:
        if attempt == 4:
            sys.exit('sluice: the metrics of the run report could not be told to ' + host + ': ' + str(error))
        time.sleep(2 ** attempt)
`.trim();

/** Shell lines that tell the metrics of a report in an output folder; `objective` comes first where there are too many. */
export function reportMetricsLines(output: string, objective: string): string[] {
  const report = `"${ownPlace(output)}"/run-report.json`;
  // A component that logs by itself is no worse for a report that could not be told, so the step's own code stands.
  return [
    `if [ "$code" -eq 0 ] && [ -f ${report} ]; then python3 - ${report} ${quoted(objective)} <<'${HEREDOC}' || true`,
    PROGRAM,
    HEREDOC,
    'fi',
  ];
}
