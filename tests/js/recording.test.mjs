import assert from "node:assert/strict";
import { test } from "node:test";
import { Recording } from "../../web/js/panel/recording.mjs";

/** A hub whose switch stands somewhere, a setting that a browser remembers, and what passes between the two. */
function between({ stands, remembered, refuses = null }) {
  const told = { put: [], refused: [] };
  const hub = { stands, setting: remembered, told, listeners: [] };
  const client = {
    recording: async () => ({ record: hub.stands ? "all" : "nodes" }),
    switchRecording: async (record) => {
      told.put.push(record);
      if (refuses) throw new Error(refuses);
      hub.stands = record === "all";
      return { record };
    },
  };
  const live = { listen: (listener) => hub.listeners.push(listener), watchConnection: () => {} };
  hub.recording = new Recording({
    ...{ client, live },
    read: () => hub.setting,
    write: async (on) => hub.set(on),
    refused: (why) => told.refused.push(why.message),
  });
  hub.set = async (on) => {
    hub.setting = on;
    await hub.recording.changed(on); // as the dialog does, whoever sets it
  };
  return hub;
}

test("the setting shows how the switch stands, whatever the browser remembered, and throws nothing", async () => {
  for (const stands of [true, false]) {
    const hub = between({ stands, remembered: !stands });
    await hub.set(!stands); // frontends call this for what they have stored, before anybody has asked the hub
    await hub.recording.start();
    assert.equal(hub.setting, stands);
    assert.deepEqual(hub.told.put, []);
  }
});

test("throwing it reaches the hub once", async () => {
  const hub = between({ stands: false, remembered: false });
  await hub.recording.start();
  await hub.set(true);
  await hub.set(true);
  await hub.set(false);
  assert.deepEqual(hub.told.put, ["all", "nodes"]);
});

test("one that is refused springs back and says why", async () => {
  const hub = between({ stands: true, remembered: true, refuses: "it is switched there" });
  await hub.recording.start();
  await hub.set(false);
  assert.equal(hub.setting, true);
  assert.deepEqual(hub.told.refused, ["it is switched there"]);
  assert.deepEqual(hub.told.put, ["nodes"]);
});

test("a switch that somebody else throws is shown here", async () => {
  const hub = between({ stands: false, remembered: false });
  await hub.recording.start();
  hub.stands = true;
  hub.listeners[0]({ entity_type: "recording" });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(hub.setting, true);
  assert.deepEqual(hub.told.put, []);
});
