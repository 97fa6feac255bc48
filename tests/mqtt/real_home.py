#!/usr/bin/env python3
"""A real Home Assistant, just its core and its MQTT integration: what it makes of what devices say.

usage: real_home.py PORT FOLDER    with the Python of an environment that has `homeassistant` and
                                   `paho-mqtt`; a broker at 127.0.0.1:PORT

Reads words on stdin and answers each with one line of JSON: `look` the entities with state,
attributes and what the registries hold; `end`. Warnings and errors of Home Assistant go to stderr.
"""

import asyncio
import json
import logging
import os
import sys

from homeassistant import auth, bootstrap, config_entries, core, loader
from homeassistant.helpers import device_registry, entity_registry
from homeassistant.setup import async_setup_component


async def home_start(port, folder):
    """A home with its registries and one entry: the broker."""
    with open(os.path.join(folder, "configuration.yaml"), "w", encoding="ascii"):
        pass  # it wants one
    home = core.HomeAssistant(folder)
    home.config.config_dir, home.config.skip_pip = folder, True
    config = {"http": {"server_host": ["127.0.0.1"], "server_port": 1 + port}}
    loader.async_setup(home)
    home.config_entries = config_entries.ConfigEntries(home, config)
    await loader.async_get_custom_components(home)
    await bootstrap.async_load_base_functionality(home)
    home.auth = await auth.auth_manager_from_config(home, [], [])
    await async_setup_component(home, "homeassistant", config)
    await home.async_start()
    entry = config_entries.ConfigEntry(
        version=1,
        minor_version=2,
        domain="mqtt",
        title="MQTT",
        data={"broker": "127.0.0.1", "port": port, "protocol": "5"},
        options={},
        source="user",
        unique_id=None,
        discovery_keys={},
        subentries_data=(),
    )
    await home.config_entries.async_add(entry)
    await home.async_block_till_done(wait_background_tasks=False)
    return home, entry


def look(home):
    registry, devices = entity_registry.async_get(home), device_registry.async_get(home)
    found = {}
    for one in registry.entities.values():
        state = home.states.get(one.entity_id)
        found[one.unique_id] = {
            "entity": one.entity_id,
            "state": state and state.state,
            "attributes": state and dict(state.attributes),
            "category": one.entity_category,
        }
    named = [
        {"name": one.name, "model": one.model, "sw": one.sw_version, "maker": one.manufacturer}
        for one in devices.devices.values()
    ]
    return {"entities": found, "devices": named}


async def main(port, folder):
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    home, _ = await home_start(port, folder)
    print(json.dumps({"ready": True}), flush=True)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while (word := (await reader.readline()).decode().strip()) not in ("", "end"):
        await home.async_block_till_done(wait_background_tasks=False)
        print(json.dumps(look(home) if word == "look" else {}, default=str), flush=True)
    await home.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
