// The "image" of these tests: answers /ping and /invocations as its model.json says.
// { "label": …, "ping": 200, "answer": { "status": 200, "body": "…" } }
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const model = JSON.parse(readFileSync(join(process.env.SLUICE_MODEL_DIR, 'model.json'), 'utf8'));
const digestMatches = process.env.SLUICE_MODEL_DIGEST === model.digest;

createServer(async (request, response) => {
  if (request.url === '/ping') return response.writeHead(digestMatches ? (model.ping ?? 200) : 500).end();
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  if (model.answer) return response.writeHead(model.answer.status ?? 200).end(model.answer.body);
  const { instances } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  const predictions = instances.map(() => ({ label: model.label, probability: 0.5, top: [{ label: model.label, probability: 0.5 }] }));
  return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ predictions, model: { name: model.label } }));
}).listen(Number(process.env.PORT), '127.0.0.1');
