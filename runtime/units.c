/* units.c - the tables of facts: units with their spellings, and words for what is measured. */
#include <string.h>

#include "facts.h"

/* ---- units ---- */

/* clang-format off */
enum unit_row {
    U_C, U_F, U_K, U_PERCENT, U_RH, U_LEL, U_V, U_MV, U_KV, U_A, U_MA, U_UA, U_KA, U_W, U_KW, U_MW,
    U_WH, U_KWH, U_HZ, U_KHZ, U_MHZ, U_GHZ, U_RPM, U_BAR, U_MBAR, U_HPA, U_PA, U_KPA, U_MPA, U_PSI,
    U_MM_S, U_IN_S, U_M_S, U_G, U_M_S2, U_UM, U_MM, U_CM, U_M, U_KM, U_US, U_MS, U_S, U_MIN, U_H,
    U_D, U_PPM, U_PPB, U_DB, U_DBM, U_L_MIN, U_L_S, U_L_H, U_M3_H, U_GPM, U_KG, U_LB, U_L, U_ML,
    U_GAL, U_OHM, U_KOHM, U_MOHM, U_NM, U_PCT_H
};

static const lc_unit unit_table[] = {
    [U_C] = {"C", "temp", LC_DIM_TEMP, 1, 0},
    [U_F] = {"F", "temp", LC_DIM_TEMP, 5.0 / 9.0, -160.0 / 9.0},
    [U_K] = {"K", "temp", LC_DIM_TEMP, 1, -273.15},
    [U_PERCENT] = {"%", "", LC_DIM_PERCENT, 1, 0},
    [U_RH] = {"%RH", "hum", LC_DIM_PERCENT, 1, 0},
    [U_LEL] = {"%lel", "gas", LC_DIM_LEL, 1, 0},
    [U_V] = {"V", "volt", LC_DIM_VOLTAGE, 1, 0},
    [U_MV] = {"mV", "volt", LC_DIM_VOLTAGE, 1e-3, 0},
    [U_KV] = {"kV", "volt", LC_DIM_VOLTAGE, 1e3, 0},
    [U_A] = {"A", "curr", LC_DIM_CURRENT, 1, 0},
    [U_MA] = {"mA", "curr", LC_DIM_CURRENT, 1e-3, 0},
    [U_UA] = {"uA", "curr", LC_DIM_CURRENT, 1e-6, 0},
    [U_KA] = {"kA", "curr", LC_DIM_CURRENT, 1e3, 0},
    [U_W] = {"W", "power", LC_DIM_POWER, 1, 0},
    [U_KW] = {"kW", "power", LC_DIM_POWER, 1e3, 0},
    [U_MW] = {"MW", "power", LC_DIM_POWER, 1e6, 0},
    [U_WH] = {"Wh", "energy", LC_DIM_ENERGY, 1, 0},
    [U_KWH] = {"kWh", "energy", LC_DIM_ENERGY, 1e3, 0},
    [U_HZ] = {"Hz", "freq", LC_DIM_FREQ, 1, 0},
    [U_KHZ] = {"kHz", "freq", LC_DIM_FREQ, 1e3, 0},
    [U_MHZ] = {"MHz", "freq", LC_DIM_FREQ, 1e6, 0},
    [U_GHZ] = {"GHz", "freq", LC_DIM_FREQ, 1e9, 0},
    [U_RPM] = {"rpm", "rpm", LC_DIM_ROTATION, 1, 0},
    [U_BAR] = {"bar", "press", LC_DIM_PRESSURE, 1, 0},
    [U_MBAR] = {"mbar", "press", LC_DIM_PRESSURE, 1e-3, 0},
    [U_HPA] = {"hPa", "press", LC_DIM_PRESSURE, 1e-3, 0},
    [U_PA] = {"Pa", "press", LC_DIM_PRESSURE, 1e-5, 0},
    [U_KPA] = {"kPa", "press", LC_DIM_PRESSURE, 1e-2, 0},
    [U_MPA] = {"MPa", "press", LC_DIM_PRESSURE, 10, 0},
    [U_PSI] = {"psi", "press", LC_DIM_PRESSURE, 0.0689475729, 0},
    [U_MM_S] = {"mm/s", "vib", LC_DIM_VELOCITY, 1, 0},
    [U_IN_S] = {"in/s", "vib", LC_DIM_VELOCITY, 25.4, 0},
    [U_M_S] = {"m/s", "velocity", LC_DIM_VELOCITY, 1e3, 0},
    [U_G] = {"g", "vib", LC_DIM_ACCEL, 1, 0},
    [U_M_S2] = {"m/s2", "vib", LC_DIM_ACCEL, 1 / 9.80665, 0},
    [U_UM] = {"um", "shift", LC_DIM_LENGTH, 1e-3, 0},
    [U_MM] = {"mm", "length", LC_DIM_LENGTH, 1, 0},
    [U_CM] = {"cm", "length", LC_DIM_LENGTH, 10, 0},
    [U_M] = {"m", "length", LC_DIM_LENGTH, 1e3, 0},
    [U_KM] = {"km", "length", LC_DIM_LENGTH, 1e6, 0},
    [U_US] = {"us", "time", LC_DIM_TIME, 1e-6, 0},
    [U_MS] = {"ms", "time", LC_DIM_TIME, 1e-3, 0},
    [U_S] = {"s", "time", LC_DIM_TIME, 1, 0},
    [U_MIN] = {"min", "time", LC_DIM_TIME, 60, 0},
    [U_H] = {"h", "time", LC_DIM_TIME, 3600, 0},
    [U_D] = {"d", "time", LC_DIM_TIME, 86400, 0},
    [U_PPM] = {"ppm", "gas", LC_DIM_CONC, 1, 0},
    [U_PPB] = {"ppb", "gas", LC_DIM_CONC, 1e-3, 0},
    [U_DB] = {"dB", "noise", LC_DIM_DB, 1, 0},
    [U_DBM] = {"dBm", "rssi", LC_DIM_DBM, 1, 0},
    [U_L_MIN] = {"l/min", "flow", LC_DIM_FLOW, 1, 0},
    [U_L_S] = {"l/s", "flow", LC_DIM_FLOW, 60, 0},
    [U_L_H] = {"l/h", "flow", LC_DIM_FLOW, 1.0 / 60.0, 0},
    [U_M3_H] = {"m3/h", "flow", LC_DIM_FLOW, 1000.0 / 60.0, 0},
    [U_GPM] = {"gpm", "flow", LC_DIM_FLOW, 3.785411784, 0},
    [U_KG] = {"kg", "mass", LC_DIM_MASS, 1, 0},
    [U_LB] = {"lb", "mass", LC_DIM_MASS, 0.45359237, 0},
    [U_L] = {"l", "volume", LC_DIM_VOLUME, 1, 0},
    [U_ML] = {"ml", "volume", LC_DIM_VOLUME, 1e-3, 0},
    [U_GAL] = {"gal", "volume", LC_DIM_VOLUME, 3.785411784, 0},
    [U_OHM] = {"ohm", "resist", LC_DIM_OHM, 1, 0},
    [U_KOHM] = {"kohm", "resist", LC_DIM_OHM, 1e3, 0},
    [U_MOHM] = {"Mohm", "resist", LC_DIM_OHM, 1e6, 0},
    [U_NM] = {"Nm", "torque", LC_DIM_TORQUE, 1, 0},
    [U_PCT_H] = {"%/h", "rate", LC_DIM_RATE, 1, 0},
};

enum {
    EXACT = 0,     /* case matters: mV, MW */
    FOLD = 1,      /* any case: 8.8 MM/S on a panel */
    NEEDS_KEY = 2, /* only after a word for what it measures */
    TIGHT = 4      /* only without a blank before it: 96c */
};

typedef struct spelling {
    const char *text;
    uint8_t unit; /* unit_row */
    uint8_t rule;
} spelling;

static const spelling spelling_table[] = {
    {"C", U_C, EXACT}, {"c", U_C, TIGHT}, {"°C", U_C, FOLD}, {"° C", U_C, EXACT},
    {"degC", U_C, FOLD}, {"deg C", U_C, FOLD}, {"deg.C", U_C, FOLD}, {"celsius", U_C, FOLD},
    {"degrees C", U_C, FOLD}, {"degrees celsius", U_C, FOLD}, {"F", U_F, EXACT},
    {"°F", U_F, FOLD}, {"degF", U_F, FOLD}, {"deg F", U_F, FOLD}, {"degrees F", U_F, FOLD},
    {"fahrenheit", U_F, FOLD}, {"degrees fahrenheit", U_F, FOLD}, {"K", U_K, NEEDS_KEY},
    {"kelvin", U_K, FOLD}, {"%", U_PERCENT, EXACT}, {"pct", U_PERCENT, FOLD},
    {"percent", U_PERCENT, FOLD}, {"%RH", U_RH, FOLD}, {"% RH", U_RH, FOLD}, {"RH", U_RH, FOLD},
    {"%lel", U_LEL, FOLD}, {"% lel", U_LEL, FOLD}, {"lel", U_LEL, FOLD}, {"V", U_V, EXACT},
    {"v", U_V, TIGHT}, {"Vdc", U_V, FOLD}, {"Vac", U_V, FOLD}, {"V DC", U_V, FOLD},
    {"V AC", U_V, FOLD}, {"volt", U_V, FOLD}, {"volts", U_V, FOLD}, {"mV", U_MV, EXACT},
    {"mv", U_MV, EXACT}, {"kV", U_KV, FOLD}, {"A", U_A, EXACT}, {"amp", U_A, FOLD},
    {"amps", U_A, FOLD}, {"ampere", U_A, FOLD}, {"mA", U_MA, FOLD}, {"uA", U_UA, EXACT},
    {"µA", U_UA, EXACT}, {"μA", U_UA, EXACT}, {"kA", U_KA, FOLD}, {"W", U_W, EXACT},
    {"watt", U_W, FOLD}, {"watts", U_W, FOLD}, {"kW", U_KW, FOLD}, {"MW", U_MW, EXACT},
    {"Wh", U_WH, FOLD}, {"kWh", U_KWH, FOLD}, {"Hz", U_HZ, FOLD}, {"kHz", U_KHZ, FOLD},
    {"MHz", U_MHZ, FOLD}, {"GHz", U_GHZ, FOLD}, {"rpm", U_RPM, FOLD}, {"r/min", U_RPM, FOLD},
    {"1/min", U_RPM, FOLD}, {"rev/min", U_RPM, FOLD}, {"bar", U_BAR, FOLD}, {"barg", U_BAR, FOLD},
    {"mbar", U_MBAR, FOLD}, {"hPa", U_HPA, FOLD}, {"Pa", U_PA, EXACT}, {"PA", U_PA, EXACT},
    {"kPa", U_KPA, FOLD}, {"MPa", U_MPA, EXACT}, {"MPA", U_MPA, EXACT}, {"psi", U_PSI, FOLD},
    {"psig", U_PSI, FOLD}, {"mm/s", U_MM_S, FOLD}, {"mm/sec", U_MM_S, FOLD},
    {"in/s", U_IN_S, FOLD}, {"in/sec", U_IN_S, FOLD}, {"ips", U_IN_S, FOLD}, {"m/s", U_M_S, EXACT},
    {"g", U_G, NEEDS_KEY}, {"m/s2", U_M_S2, EXACT}, {"m/s²", U_M_S2, EXACT},
    {"m/s^2", U_M_S2, EXACT}, {"um", U_UM, EXACT}, {"µm", U_UM, EXACT}, {"μm", U_UM, EXACT},
    {"micron", U_UM, FOLD}, {"microns", U_UM, FOLD}, {"mm", U_MM, FOLD}, {"cm", U_CM, FOLD},
    {"m", U_M, EXACT}, {"metres", U_M, FOLD}, {"meters", U_M, FOLD}, {"km", U_KM, EXACT},
    {"us", U_US, TIGHT}, {"µs", U_US, EXACT}, {"μs", U_US, EXACT}, {"ms", U_MS, EXACT},
    {"s", U_S, EXACT}, {"sec", U_S, FOLD}, {"secs", U_S, FOLD}, {"second", U_S, FOLD},
    {"seconds", U_S, FOLD}, {"min", U_MIN, FOLD}, {"mins", U_MIN, FOLD}, {"minute", U_MIN, FOLD},
    {"minutes", U_MIN, FOLD}, {"h", U_H, EXACT}, {"hr", U_H, FOLD}, {"hrs", U_H, FOLD},
    {"hour", U_H, FOLD}, {"hours", U_H, FOLD}, {"d", U_D, TIGHT}, {"day", U_D, FOLD},
    {"days", U_D, FOLD}, {"ppm", U_PPM, FOLD}, {"ppb", U_PPB, FOLD}, {"dB", U_DB, FOLD},
    {"dB(A)", U_DB, FOLD}, {"dBA", U_DB, FOLD}, {"dBm", U_DBM, FOLD}, {"l/min", U_L_MIN, FOLD},
    {"lpm", U_L_MIN, FOLD}, {"l/s", U_L_S, FOLD}, {"l/h", U_L_H, FOLD}, {"m3/h", U_M3_H, FOLD},
    {"m³/h", U_M3_H, FOLD}, {"m^3/h", U_M3_H, FOLD}, {"gpm", U_GPM, FOLD}, {"kg", U_KG, FOLD},
    {"lb", U_LB, FOLD}, {"lbs", U_LB, FOLD}, {"l", U_L, EXACT}, {"L", U_L, EXACT},
    {"litre", U_L, FOLD}, {"litres", U_L, FOLD}, {"liter", U_L, FOLD}, {"liters", U_L, FOLD},
    {"ml", U_ML, FOLD}, {"gal", U_GAL, FOLD}, {"gallons", U_GAL, FOLD}, {"ohm", U_OHM, FOLD},
    {"ohms", U_OHM, FOLD}, {"Ω", U_OHM, EXACT}, {"kohm", U_KOHM, FOLD}, {"kΩ", U_KOHM, FOLD},
    {"Mohm", U_MOHM, FOLD}, {"MΩ", U_MOHM, FOLD}, {"megohm", U_MOHM, FOLD}, {"Nm", U_NM, EXACT},
    {"%/h", U_PCT_H, EXACT},
};
/* clang-format on */

#define SPELLINGS (sizeof spelling_table / sizeof spelling_table[0])

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Length of the spelling when text starts with it, else 0. */
static uint32_t starts_with(const char *text, uint32_t bytes, const char *spelt, bool fold)
{
    uint32_t n = 0;
    for (; spelt[n] != '\0'; n++) {
        if (n == bytes || (text[n] != spelt[n] && !(fold && lower(text[n]) == lower(spelt[n])))) {
            return 0;
        }
    }
    return n;
}

/* Does a word, and no compound of it (24 V-belt, 2 %/day), end before text[at]? */
static bool ends_word(const char *text, uint32_t bytes, uint32_t at)
{
    if (at == bytes) {
        return true;
    }
    unsigned char c = (unsigned char)lower(text[at]);
    if (c == '-' || c == '/' || c == '.') {
        unsigned char next = at + 1 < bytes ? (unsigned char)lower(text[at + 1]) : ' ';
        return c != '/' && !(next >= 'a' && next <= 'z') && !(next >= '0' && next <= '9');
    }
    return !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80);
}

const lc_unit *lc_unit_find(const char *text, uint32_t bytes)
{
    for (uint32_t i = 0; i < SPELLINGS; i++) {
        const spelling *s = &spelling_table[i];
        if (bytes != 0 && starts_with(text, bytes, s->text, (s->rule & FOLD) != 0) == bytes) {
            return &unit_table[s->unit];
        }
    }
    return NULL;
}

static bool allowed(const spelling *s, bool spaced, const lc_str *key)
{
    if ((s->rule & TIGHT) != 0 && spaced) {
        return false;
    }
    return (s->rule & NEEDS_KEY) == 0 || key == NULL ||
           lc_str_equal(*key, lc_str_from(unit_table[s->unit].key));
}

const lc_unit *lc_unit_match(const char *text, uint32_t bytes, const lc_str *key, uint32_t *length)
{
    uint32_t skip = bytes != 0 && text[0] == ' ' ? 1 : 0;
    const lc_unit *best = NULL;
    uint32_t best_bytes = 0;
    if (skip == bytes) {
        return NULL;
    }
    for (uint32_t i = 0; i < SPELLINGS; i++) {
        const spelling *s = &spelling_table[i];
        uint32_t n = starts_with(text + skip, bytes - skip, s->text, (s->rule & FOLD) != 0);
        if (n > best_bytes && ends_word(text, bytes, skip + n) && allowed(s, skip != 0, key)) {
            best = &unit_table[s->unit];
            best_bytes = n;
        }
    }
    *length = best != NULL ? skip + best_bytes : 0;
    return best;
}

/* ---- keys ---- */

#define DIM(name) (1u << LC_DIM_##name)
#define ANY_DIM 0xffffffffu

/* clang-format off */
enum key_row { KEY_TEMP, KEY_VIB, KEY_PRESS, KEY_VOLT, KEY_CURR, KEY_POWER, KEY_HUM, KEY_LEVEL,
               KEY_FLOW, KEY_RPM, KEY_FREQ, KEY_RSSI, KEY_GAS, KEY_TORQUE, KEY_RESIST };

static const struct {
    const char *name;
    uint32_t dims; /* what it can be measured in, beside no unit and plain % */
} key_table[] = {
    [KEY_TEMP] = {"temp", DIM(TEMP)},
    [KEY_VIB] = {"vib", DIM(VELOCITY) | DIM(ACCEL) | DIM(LENGTH) | DIM(DB)},
    [KEY_PRESS] = {"press", DIM(PRESSURE)},
    [KEY_VOLT] = {"volt", DIM(VOLTAGE)},
    [KEY_CURR] = {"curr", DIM(CURRENT)},
    [KEY_POWER] = {"power", DIM(POWER)},
    [KEY_HUM] = {"hum", 0},
    [KEY_LEVEL] = {"level", DIM(LENGTH) | DIM(VOLUME)},
    [KEY_FLOW] = {"flow", DIM(FLOW) | DIM(VELOCITY)},
    [KEY_RPM] = {"rpm", DIM(ROTATION)},
    [KEY_FREQ] = {"freq", DIM(FREQ)},
    [KEY_RSSI] = {"rssi", DIM(DBM) | DIM(DB)},
    [KEY_GAS] = {"gas", DIM(CONC) | DIM(LEL)},
    [KEY_TORQUE] = {"torque", DIM(TORQUE)},
    [KEY_RESIST] = {"resist", DIM(OHM)},
};

static const struct {
    const char *word; /* lower case */
    uint8_t key;      /* key_row */
} alias_table[] = {
    {"temp", KEY_TEMP}, {"temperature", KEY_TEMP}, {"temps", KEY_TEMP}, {"tmp", KEY_TEMP},
    {"vib", KEY_VIB}, {"vibration", KEY_VIB}, {"vibr", KEY_VIB}, {"vibs", KEY_VIB},
    {"press", KEY_PRESS}, {"pressure", KEY_PRESS}, {"pres", KEY_PRESS}, {"volt", KEY_VOLT},
    {"volts", KEY_VOLT}, {"voltage", KEY_VOLT}, {"vbat", KEY_VOLT}, {"vcc", KEY_VOLT},
    {"vdd", KEY_VOLT}, {"curr", KEY_CURR}, {"current", KEY_CURR}, {"amps", KEY_CURR},
    {"amp", KEY_CURR}, {"power", KEY_POWER}, {"hum", KEY_HUM}, {"humidity", KEY_HUM},
    {"rh", KEY_HUM}, {"level", KEY_LEVEL}, {"lvl", KEY_LEVEL}, {"flow", KEY_FLOW},
    {"rpm", KEY_RPM}, {"speed", KEY_RPM}, {"freq", KEY_FREQ}, {"frequency", KEY_FREQ},
    {"rssi", KEY_RSSI}, {"gas", KEY_GAS}, {"methane", KEY_GAS}, {"ch4", KEY_GAS}, {"lel", KEY_GAS},
    {"torque", KEY_TORQUE}, {"resistance", KEY_RESIST}, {"insulation", KEY_RESIST},
};
/* clang-format on */

lc_str lc_key_find(const char *word, uint32_t bytes)
{
    for (uint32_t i = 0; i < sizeof alias_table / sizeof alias_table[0]; i++) {
        if (bytes != 0 && starts_with(word, bytes, alias_table[i].word, true) == bytes) {
            return lc_str_from(key_table[alias_table[i].key].name);
        }
    }
    return (lc_str){NULL, 0};
}

bool lc_key_fits(lc_str key, uint8_t dim)
{
    for (uint32_t i = 0; i < sizeof key_table / sizeof key_table[0]; i++) {
        if (lc_str_equal(key, lc_str_from(key_table[i].name))) {
            uint32_t dims = key_table[i].dims | DIM(NONE) | DIM(PERCENT);
            return (dims >> dim & 1) != 0;
        }
    }
    return true;
}
