"""Word tables shared by all grammars: assets, tags, places, people, times."""


def split(text):
    return [item.strip() for item in text.split(",") if item.strip()]


ROTATING = split(
    """pump, motor, fan, blower, compressor, gearbox, spindle, turbine, generator, mixer, agitator,
 centrifuge, crusher, mill, conveyor drive, extruder, exhaust fan, circulation pump, feed pump,
 booster pump, cooling tower fan, vacuum pump, main drive, idler roller, head pulley, tail pulley,
 drive end bearing, non-drive end bearing, DE bearing, NDE bearing, gear train, propeller shaft, drive shaft,
 rotor, impeller, flywheel, hoist motor, elevator machine, ID fan, FD fan, supply fan, return fan, genset, alternator,
 sewage pump, slurry pump, screw conveyor, bucket elevator, ball mill, hammer mill, shredder, chipper,
 washing machine drum, separator, decanter, planetary gear, wheel hub, axle, traction motor, servo axis,
 X axis, Z axis, robot joint 4, turntable, winder, rewinder, paper roll, printing cylinder, saw, grinder, lathe chuck,
 yaw drive, main shaft, thruster, bow thruster, stern tube, condenser fan, evaporator fan, AHU fan, stirrer,
 vibrating screen, sifter, feeder, rotary valve, lobe blower, scroll compressor, screw compressor, chiller compressor,
 reel, capstan, treadmill motor, escalator drive, ventilator, circulator, well pump, irrigation pump, milk pump"""
)

FLUID_ASSET = split(
    """pump, gearbox, hydraulic unit, hydraulic press, excavator, loader, forklift, chiller, boiler, condenser,
 cooling tower, tank, day tank, storage tank, header tank, sump, pipe, pipeline, main, flange, valve, gate valve, ball valve,
 check valve, control valve, solenoid valve, hose, coupling, fitting, union, elbow, manifold, cylinder, ram, jack,
 actuator, accumulator, radiator, heat exchanger, plate heat exchanger, oil cooler, intercooler, water heater, calorifier,
 sprinkler, hydrant, standpipe, dishwasher, washing machine, toilet, tap, sink, shower, coffee machine, ice machine,
 refrigerator, freezer, heat pump, split unit, AC unit, rooftop unit, CRAC unit, fan coil, coolant loop, chilled water loop,
 glycol loop, compressor, air receiver, air dryer, airline, pneumatic cylinder, gripper, regulator, gas meter, gas train, burner,
 cylinder bank, LPG tank, CNG line, hydrogen skid, nitrogen line, oxygen line, steam trap, steam line, condensate line,
 sight glass, drain plug, sump gasket, head gasket, rocker cover, axle seal, hub seal, final drive, transmission, torque converter,
 power steering rack, brake line, master cylinder, fuel tank, fuel line, injector, diesel bowser, transformer, bushing, tap changer,
 stern gland, bilge, ballast tank, roof, roof drain, skylight, gutter, basement, server room floor, ceiling tile, pool, basin,
 digester, clarifier, wet well, penstock, digester gas line, dosing pump, chemical tote, IBC, acid tank, caustic line, milk line,
 beer line, keg, wort cooler, ink tank, paint line, coolant tank, CNC sump, way oil line, lube line, grease line, mould cooling circuit"""
)

FLUIDS = split(
    """water, oil, hydraulic oil, coolant, glycol, refrigerant, fuel, diesel, petrol, gas, natural gas, methane, propane,
 ammonia, steam, condensate, compressed air, air, nitrogen, hydrogen, brine, acid, caustic, bleach, grease, lube oil, gear oil,
 engine oil, transformer oil, brake fluid, ATF, antifreeze, cutting fluid, chilled water, hot water, sewage, milk, ink, solvent, effluent,
 rainwater, sludge, syrup, DEF, AdBlue, R410A, R134a, R32, CO2, SF6, wastewater"""
)

HOT_ASSET = split(
    """motor, bearing, gearbox, transformer, inverter, drive, VFD, control cabinet, switchgear panel, server, CPU, rack, UPS,
 battery pack, compressor, pump, engine, boiler, oven, extruder barrel, hydraulic unit, chiller, freezer, cold room, fridge, reefer container,
 walk-in cooler, brake, brake disc, clutch, winding, stator, gear oil, hydraulic oil, coolant, cylinder head, exhaust, turbocharger, PV inverter,
 charger, charging plug, EV charger cable, power supply, PSU, rectifier, busbar, cable joint, terminal block, contactor, capacitor bank,
 main bearing, thrust bearing, spindle, servo motor, welding robot, hot runner, laser head, projector lamp, NVMe drive, disk array, GPU,
 switch stack, router, gateway, Raspberry Pi, edge box, base station, rectifier cabinet, battery room, data hall, MRI chiller, incubator,
 vaccine fridge, greenhouse, compost pile, hay barn, grain silo, coal bunker, dryer, tumble dryer, kiln shell, conveyor roller, axle box,
 traction converter, wheel bearing, generator, alternator, heat exchanger, reactor, fermenter, pasteuriser, distribution board, lift motor,
 elevator drive, 3D printer hotend, heated bed, e-bike battery, power bank, telecom shelter, SCR module, IGBT module, choke, resistor bank"""
)

ELEC_ASSET = split(
    """motor, pump, fan, VFD, drive, inverter, compressor, feeder, incomer, main breaker, MCC, switchboard, distribution board, panel,
 transformer, UPS, PDU, rack, generator, genset, alternator, solar inverter, PV string, string 3, charger, EV charger, charge point, battery,
 battery bank, starter battery, forklift battery, node battery, power supply, 24V supply, PSU, PLC, remote IO, heater, heating element, oven,
 lighting circuit, socket circuit, outlet, lift, elevator, crane, hoist, conveyor, welder, press, chiller, boiler, contactor, starter, soft starter,
 busbar, cable, feeder cable, junction box, terminal box, slip ring, stator, winding, capacitor, rectifier, fuse, RCD, RCBO, MCB, earth bond,
 emergency light, fire panel, gate motor, irrigation controller, sensor node, tracker, camera, street light, traffic signal, substation,
 overhead line, wind turbine converter, pitch battery, traction battery, headlight, ignition coil, solenoid, glow plug, injector, horn,
 trailer socket, sump pump, freezer, cooker, server, wall socket, extension lead, telecom rectifier"""
)

SENSORS = split(
    """temperature sensor, temp probe, thermocouple, PT100, RTD, thermistor, pressure transmitter, PT, level transmitter, LT, radar level,
 float switch, ultrasonic level, flow meter, flowmeter, mag meter, vibration sensor, accelerometer, humidity sensor, hygrometer, CO2 sensor, gas detector head,
 pH probe, conductivity probe, turbidity meter, chlorine analyser, dissolved oxygen probe, ORP electrode, load cell, weighbridge, strain gauge, encoder, resolver,
 proximity switch, limit switch, photo eye, light curtain receiver, tachometer, speed sensor, wheel speed sensor, O2 sensor, lambda probe, MAF sensor,
 MAP sensor, throttle position sensor, oil pressure sender, fuel level sender, coolant temp sensor, intake air temp sensor, crank sensor, cam sensor, current transducer,
 CT, voltage tap, anemometer, wind vane, rain gauge, pyranometer, barometer, GPS receiver, tilt sensor, inclinometer, position transmitter, LVDT,
 valve positioner feedback, differential pressure cell, dP cell, 4-20mA loop, analog input, AI card, channel, soil moisture probe, PM2.5 sensor, smoke head,
 leak rope, water meter, gas meter, heat meter, torque sensor, thickness gauge, colour sensor, camera lens, lidar, radar, occupancy sensor, light sensor, BME280, DHT22, DS18B20"""
)

MEASURES = split(
    """temperature, pressure, level, flow, humidity, vibration, speed, position, pH, conductivity, CO2, current, voltage, weight, torque,
 oxygen, turbidity, chlorine, fuel level, oil pressure, coolant temperature, outdoor temp, wind speed, solar irradiance, differential pressure, room temp"""
)

LINKS = split(
    """gateway, router, access point, switch, modem, LTE modem, 4G router, LoRa gateway, LoRaWAN node, sensor node, Zigbee coordinator, Zigbee node, Z-Wave stick,
 BLE beacon, Modbus slave, Modbus RTU slave 7, Modbus TCP server, RTU, PLC, remote IO rack, HMI, SCADA server, OPC UA server, historian, MQTT broker, broker, bridge,
 edge device, data logger, telemetry unit, meter, smart meter, DCU, concentrator, camera, NVR, IP camera, access controller, BACnet controller, BMS controller,
 thermostat, KNX coupler, M-Bus converter, Profibus node, PROFINET device, EtherCAT slave, CAN node, DeviceNet scanner, HART multiplexer, serial server,
 VPN tunnel, fibre link, radio link, satellite terminal, backhaul, uplink, WAN, NTP server, cloud endpoint, weather station, charge point, inverter portal, drone link,
 remote site, pump station RTU, substation RTU, tracker, tag reader, drive fieldbus, robot controller, VFD comms card, ECU, TCM, BCM, ABS module, instrument cluster"""
)

PLACES = split(
    """line 1, line 2, line 3, line 4, hall A, hall B, bay 3, bay 7, building 2, block C, plant room, boiler house, pump house, basement, roof, roof plant, warehouse, dock 4,
 north yard, south gate, east wing, floor 3, 2nd floor, level -1, lab 12, ward 5, kitchen, server room, comms room, substation 2, compressor room, engine room, mess hall,
 packing, filling, mixing, assembly, paint shop, press shop, tank farm, intake, outfall, lift shaft, car park, cold store, dairy, greenhouse 4, field 9, well 3, pit, crib room,
 unit 5, cell 12, station 4, zone 2, site 14, depot, platform 2, tunnel, turbine 11, tower 6, skid 3, deck 2, nacelle, workshop, gym, pool plant, kiosk, stable, quarry"""
)

PEOPLE = split(
    """operator, op, night shift, day shift, mechanic, electrician, fitter, sparky, contractor, tech, supervisor, driver, guard, security guard, cleaner, caretaker, customer,
 tenant, nurse, chef, farmer, skipper, engineer, maintenance, facilities, line lead, forklift driver, store manager, duty engineer, janitor, inspector"""
)

PREFIX = split(
    "P, M, K, C, F, FN, PU, MTR, CMP, AHU, CH, CRAC, TX, T, GB, CV, BC, HX, B, HYD, CNC, ROB, LIFT, GEN, INV, UPS, WTG, PV, V, TK, EF, SF, DR, AG, EX, LN, RTU, GW, N"
)


def tag(rng):
    """An asset tag as plants write them."""
    letters = rng.choice(PREFIX)
    draw = rng.random()
    if draw < 0.35:
        return letters + str(rng.randint(1, 12))
    if draw < 0.6:
        return f"{letters}-{rng.randint(1, 999)}" + rng.choice(["", "", "A", "B"])
    if draw < 0.75:
        return f"{letters}{rng.randint(100, 4999)}"
    if draw < 0.85:
        return f"{letters}_{rng.randint(1, 40):02d}"
    if draw < 0.93:
        return f"{rng.choice('ABCDEKLNSW')}{rng.randint(1, 9)}.{letters}.{rng.randint(1, 30):02d}"
    return f"{letters} {rng.randint(1, 20)}"


def loop_tag(rng):
    """An instrument tag after ISA-5.1 habits (TT-101, PIT 203A)."""
    letters = rng.choice(
        split(
            "TT, PT, LT, FT, TE, PIT, LIT, FIT, AT, AIT, TI, PI, LI, FI, VT, ZT, WT, ST, DPT, TIC, AI, PDT"
        )
    )
    return (
        letters
        + rng.choice(["-", "", " ", "_"])
        + str(rng.randint(1, 999))
        + rng.choice(["", "", "", "A", "B"])
    )


def clock(rng):
    return f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}" + rng.choice(
        ["", "", f":{rng.randint(0, 59):02d}"]
    )


def date(rng):
    year, month, day = rng.randint(2019, 2026), rng.randint(1, 12), rng.randint(1, 28)
    style = rng.randint(0, 4)
    if style == 0:
        return f"{year}-{month:02d}-{day:02d}"
    if style == 1:
        return f"{day:02d}/{month:02d}/{year % 100:02d}"
    if style == 2:
        return f"{day:02d}.{month:02d}.{year}"
    if style == 3:
        names = split("Jan, Feb, Mar, Apr, May, Jun, Jul, Aug, Sep, Oct, Nov, Dec")
        return f"{names[month - 1]} {day:2d}"
    return f"{month}/{day}/{year}"


def address(rng):
    return f"{rng.choice(['10.1', '192.168', '172.16', '10.20', '10.0'])}.{rng.randint(0, 254)}.{rng.randint(1, 254)}"


def foreign_address(rng):
    return ".".join(str(rng.randint(2, 253)) for _ in range(4))


def mac(rng):
    return ":".join(f"{rng.randint(0, 255):02x}" for _ in range(6))


def hexcode(rng):
    return rng.choice(["0x", "0x", ""]) + f"{rng.randint(0, 65535):04x}"


def fault_code(rng):
    return rng.choice(
        ["E", "F", "AL", "A", "Err", "ERR ", "W", "Alarm ", "Fault ", "code "]
    ) + rng.choice(
        [
            str(rng.randint(1, 99)),
            str(rng.randint(100, 9999)),
            f"{rng.randint(1, 99):02d}",
            f"{rng.randint(1, 20)}.{rng.randint(0, 9)}",
        ]
    )


HOSTS = split(
    "gw, edge, rpi, node, plc, hmi, scada, iot, sensor, ctl, cam, sw, ap, rtu, nvr, fw, bms, srv, telemetry, collector"
)


def host(rng):
    return rng.choice(HOSTS) + rng.choice(["", "-", "_"]) + f"{rng.randint(1, 40):02d}"


NAMES = split(
    """Anna, Bob, Carlos, Dora, Emma, Felix, Grace, Hall, Ivan, Julia, Kim, Leo, Maria, Nina, Oscar, Paula, Smith, Tom, Vera, Weber, Arsenal,
 Villa, Madrid, Boston, Paris, Lyon, Kyoto, Oslo, Dublin, Vienna, Utrecht, Tilsit, Verdun, Bach, Newton, Austen, Picasso, Verdi, Curie, Napoleon, Lakers, Bayern"""
)
DAYS = split("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")

COMMON = {
    "rot": ROTATING,
    "fa": FLUID_ASSET,
    "fluid": FLUIDS,
    "hot": HOT_ASSET,
    "ea": ELEC_ASSET,
    "sen": SENSORS,
    "meas": MEASURES,
    "link": LINKS,
    "place": PLACES,
    "who": PEOPLE,
    "tag": tag,
    "ltag": loop_tag,
    "clock": clock,
    "date": date,
    "ip": address,
    "xip": foreign_address,
    "mac": mac,
    "hex": hexcode,
    "fc": fault_code,
    "host": host,
    "ago": split(
        "since yesterday, since this morning, for two days, after restart, after the stop, at start up, at full load, under load, during the night, again, since the weekend, after lunch, all week, on every cycle, when it rains, since the overhaul, this shift"
    ),
    "act": split(
        "pls check, please check, need mechanic, raise WO, WO raised, ticket opened, check asap, stop if worse, will keep an eye, replace at next stop, ordered parts, called maintenance, isolated, shut it down, fitter called, needs looking at, urgent, stopped the line, monitor"
    ),
    "sev": split(
        "ALARM, WARN, WARNING, ERROR, CRITICAL, CRIT, FAULT, HH, ALM, ALERT, MAJOR, TRIP, High, PRIO1, P2, E"
    ),
    "any": None,
    "name": NAMES,
    "day": DAYS,
    "per": split(
        "once per turn, every turn, every revolution, twice a second, with each stroke, over every joint, at each start"
    ),
}
COMMON["any"] = ROTATING + FLUID_ASSET + HOT_ASSET + ELEC_ASSET
