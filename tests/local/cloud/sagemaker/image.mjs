// The "image" of the tests: a serving process that behaves as its model.json says.
// { "name": …, "ping": 200, "exit": code, "invoke": { "status", "body" } | "hang" | "echo" | "exit" }
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const folder = process.env.SLUICE_MODEL_DIR;
const model = readdirSync(folder).includes('model.json')
  ? JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'))
  : { name: 'no model' };
if (model.exit !== undefined) process.exit(model.exit);

createServer(async (request, response) => {
  if (request.url === '/ping') return response.writeHead(model.ping ?? 200).end();
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (model.invoke === 'exit') process.exit(9);
  if (model.invoke === 'hang') return undefined;
  if (model.invoke === 'echo') return response.writeHead(200, { 'content-type': request.headers['content-type'] }).end(body);
  if (model.invoke) return response.writeHead(model.invoke.status).end(model.invoke.body);
  const answer = {
    model: model.name,
    pid: process.pid,
    rows: body.length > 0 ? JSON.parse(body.toString('utf8')) : null,
    environment: process.env.GIVEN ?? null,
    secret: process.env.SECRET_OF_THE_PARENT ?? null,
    accept: request.headers.accept,
    custom: request.headers['x-amzn-sagemaker-custom-attributes'] ?? null,
  };
  return response
    .writeHead(200, { 'content-type': 'application/json', 'x-amzn-sagemaker-custom-attributes': 'answered' })
    .end(JSON.stringify(answer));
}).listen(Number(process.env.PORT), '127.0.0.1');
