// SPDX-License-Identifier: Apache-2.0
// client.js - calls a server by @grpc/grpc-js: node client.js PORT PROTO_FOLDER TOKEN; prints what came of it as JSON.
"use strict";
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [port, folder, token] = process.argv.slice(2);
const load = path => grpc.loadPackageDefinition(loader.loadSync(path, { includeDirs: [folder], keepCase: true, longs: Number, defaults: true }));
const { Ingest, Retrieve } = load("datavault/v1/datavault.proto").datavault.v1;
const { Health } = load("grpc/health/v1/health.proto").grpc.health.v1;
const target = `localhost:${port}`;
const plain = grpc.credentials.createInsecure();
const [ingest, retrieve, health] = [Ingest, Retrieve, Health].map(Service => new Service(target, plain));

const shows = own => {
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${own}`);
  return metadata;
};
const record = number => ({ payload: Buffer.from(JSON.stringify({ patient_id: `P${number}`, diagnosis: "x" })), idempotency_key: `js-${number}` });
const within = seconds => ({ deadline: Date.now() + seconds * 1000 });

// {code, reply} of a call with one answer.
const one = (client, name, request, own = token, seconds = 20) => new Promise(resolve =>
  client[name](request, shows(own), within(seconds), (error, reply) => resolve({ code: error ? error.code : 0, reply })));

const stream = count => new Promise(resolve => {
  const call = ingest.IngestStream(shows(token), within(30), (error, reply) => resolve({ code: error ? error.code : 0, reply }));
  for (let number = 0; number < count; number++) call.write(record(number));
  call.end();
});

const acks = requests => new Promise(resolve => {
  const got = [];
  const call = ingest.IngestAcks(shows(token), within(30));
  call.on("data", ack => got.push(ack));
  call.on("error", () => {});
  call.on("status", status => resolve({ code: status.code, got }));
  requests.forEach(request => call.write(request));
  call.end();
});

const cancelled = () => new Promise(resolve => {
  const call = ingest.IngestAcks(shows(token), within(30));
  call.on("error", () => {});
  call.on("status", status => resolve({ code: status.code }));
  call.write(record(1));
  setTimeout(() => call.cancel(), 200);
});

const main = async () => {
  const said = {};
  said.ok = await one(ingest, "Ingest", record(0));
  said.again = await one(ingest, "Ingest", record(0));
  said.invalid = await one(ingest, "Ingest", { payload: Buffer.from("{") });
  said.large = await one(ingest, "Ingest", { payload: Buffer.alloc(300000, 32) });
  said.unauthenticated = await one(ingest, "Ingest", record(0), "wrong");
  said.denied = await one(retrieve, "Retrieve", { id: said.ok.reply.id });
  said.retrieved = await one(retrieve, "Retrieve", { id: said.ok.reply.id }, `${token}-other`);
  said.missing = await one(retrieve, "Retrieve", { id: "018f2c5e-0000-8000-8000-000000000000" }, `${token}-other`);
  said.health = await one(health, "Check", {});
  said.unknown = await one(health, "Check", { service: "x" });
  said.unimplemented = await new Promise(resolve => health.makeUnaryRequest("/datavault.v1.Ingest/Other", bytes => bytes, bytes => bytes,
    Buffer.alloc(0), shows(token), error => resolve({ code: error ? error.code : 0 })));
  said.internal = await new Promise(resolve => {
    const call = health.makeClientStreamRequest("/datavault.v1.Ingest/Ingest", bytes => bytes, bytes => bytes, shows(token),
      error => resolve({ code: error ? error.code : 0 }));
    call.end(); // a call of one message without any
  });
  said.late = await one(ingest, "Ingest", record(0), token, -1);
  said.cancelled = await cancelled();
  said.stream = await stream(1000);
  said.acks = await acks([record(1), { payload: Buffer.from("{}") }, record(2)]);
  console.log(JSON.stringify(said));
  [ingest, retrieve, health].forEach(client => client.close());
};
main();
