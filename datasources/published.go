package datasources

import "github.com/fieldhub/hub/nodes"

// published are the harmonised sensor, actuator and meter interfaces of the
// Neuro-Foundation ("Harmonized Interfaces", August 2026), by name without the
// prefix. Left out are doorBell, which asks for a command that no adapter has, and
// dimmer, whose published text describes blinds.
var published = map[string]agreement{
	"sensor:analogInput:1.0": {fields: []term{must("Analog Input", quantity), may("Analog Input, Raw", integer),
		state("Analog Input, Bits", integer), state("Analog Input, Range, Low", quantity), state("Analog Input, Range, High", quantity)}},
	"sensor:analogInputs:1.0": {fields: []term{must("Analog Input %1%", quantity), may("Analog Input %1%, Raw", integer),
		state("Analog Input %1%, Bits", integer), state("Analog Input %1%, Range, Low", quantity),
		state("Analog Input %1%, Range, High", quantity), state("Analog Input Count", int32s)}},
	"sensor:current:1.0":        {fields: []term{must("Current", quantity, amperes...)}},
	"sensor:dewPoint:1.0":       {fields: []term{must("Dew Point", quantity, temperatures...)}},
	"sensor:digitalInput:1.0":   {fields: []term{must("Digital Input", boolean)}},
	"sensor:digitalInputs:1.0":  {fields: []term{must("Digital Input %1%", boolean), state("Digital Input Count", int32s)}},
	"sensor:direction:1.0":      {fields: []term{must("Direction", quantity, angles...)}},
	"sensor:distance:1.0":       {fields: []term{must("Distance", quantity, lengths...)}},
	"sensor:force:1.0":          {fields: []term{must("Force", quantity, "N", "mN", "kN", "MN", "lbf")}},
	"sensor:frequency:1.0":      {fields: []term{must("Frequency", quantity, "Hz", "mHz", "kHz", "MHz", "GHz", "rpm", "1/min", "1/s")}},
	"sensor:humidity:1.0":       {fields: []term{must("Relative Humidity", quantity, "%"), may("Temperature", quantity, temperatures...), computed("Dew Point", quantity, temperatures...)}},
	"sensor:illuminance:1.0":    {fields: []term{must("Illuminance", quantity, "lx", "mlx", "klx")}},
	"sensor:mass:1.0":           {fields: []term{must("Mass", quantity, masses...)}},
	"sensor:massFlow:1.0":       {fields: []term{must("Mass Flow", quantity, "kg/s", "kg/min", "kg/h", "g/s", "g/min", "g/h", "t/h", "lb/h")}},
	"sensor:pressure:1.0":       {fields: []term{must("Pressure", quantity, "Pa", "hPa", "kPa", "MPa", "bar", "mbar", "psi", "atm", "mmHg")}},
	"sensor:rain:1.0":           {fields: []term{must("Is Raining", boolean), may("Rain Rate", quantity, "mm/h", "mm/min", "mm/d", "cm/h", "in/h")}},
	"sensor:resistance:1.0":     {fields: []term{must("Resistance", quantity, "Ω", "mΩ", "kΩ", "MΩ", "Ohm", "kOhm", "MOhm")}},
	"sensor:solarRadiation:1.0": {fields: []term{must("Solar Radiation", quantity, "W/m²", "W/m2", "W/m^2", "kW/m²", "kW/m2", "kW/m^2")}},
	"sensor:speed:1.0":          {fields: []term{must("Speed", quantity, speeds...)}},
	"sensor:temperature:1.0":    {fields: []term{must("Temperature", quantity, temperatures...)}},
	"sensor:tideLevel:1.0":      {fields: []term{must("Tide Level", quantity, lengths...)}},
	"sensor:velocity:1.0":       {fields: []term{must("Velocity, Speed", quantity, speeds...), must("Velocity, Direction", quantity, angles...)}},
	"sensor:voltage:1.0":        {fields: []term{must("Voltage", quantity, "V", "µV", "mV", "kV", "MV")}},
	"sensor:volume:1.0":         {fields: []term{must("Volume", quantity, volumes...)}},
	"sensor:weight:1.0":         {fields: []term{must("Weight", quantity, masses...)}},
	"sensor:windDirection:1.0":  {fields: []term{may("Wind, Direction", quantity, angles...), may("Wind, Direction, Variation", quantity, angles...)}},
	"sensor:windSpeed:1.0":      {fields: []term{may("Wind, Speed", quantity, speeds...), may("Wind, Speed, Variation", quantity, speeds...)}},

	"meter:cooling:1.0":        {fields: thermal},
	"meter:electricity:1.0":    {fields: []term{must("Energy", quantity, energies...), may("Power", quantity, powers...)}},
	"meter:gas:1.0":            {fields: []term{must("Volume", quantity, volumes...), may("Flow", quantity, flows...)}},
	"meter:heat:1.0":           {fields: thermal},
	"meter:heatingCooling:1.0": {fields: thermal},
	"meter:pulseCounter:1.0":   {fields: []term{must("Counter", integer)}},
	"meter:pulseCounters:1.0":  {fields: []term{must("Counter %1%", integer), state("Pulse Counter Count", integer)}},
	"meter:water:1.0":          {fields: []term{must("Volume", quantity, volumes...), may("Flow", quantity, flows...)}},

	"actuator:analogOutput:1.0": {fields: []term{may("Analog Output", quantity), may("Analog Output, Raw", integer),
		state("Analog Output, Bits", integer), state("Analog Output, Range, Low", quantity), state("Analog Output, Range, High", quantity)},
		params: []handle{{name: "Analog Output", kinds: numeric, ranged: true}, {name: "Analog Output, Raw", kinds: integer, ranged: true, optional: true}}},
	"actuator:analogOutputs:1.0": {fields: []term{may("Analog Output %1%", quantity), may("Analog Output %1%, Raw", integer),
		state("Analog Output %1%, Bits", integer), state("Analog Output %1%, Range, Low", quantity),
		state("Analog Output %1%, Range, High", quantity), state("Analog Output Count", int32s)},
		params: []handle{{name: "Analog Output %1%", kinds: numeric, ranged: true}, {name: "Analog Output %1%, Raw", kinds: integer, ranged: true, optional: true}}},
	"actuator:blinds:1.0": {fields: []term{may("Blinds", quantity, "%")}, params: []handle{percent("Blinds")}},
	"actuator:digitalOutput:1.0": {fields: []term{may("Digital Output", boolean)},
		params: []handle{{name: "Digital Output", kinds: boolean}}},
	"actuator:digitalOutputs:1.0": {fields: []term{may("Digital Output %1%", boolean), state("Digital Output Count", int32s)},
		params: []handle{{name: "Digital Output %1%", kinds: boolean}}},
	"actuator:fan:1.0":  {fields: []term{may("Fan", numeric, "%")}, params: []handle{percent("Fan")}},
	"actuator:lamp:1.0": {fields: []term{may("Lamp", boolean)}, params: []handle{{name: "Lamp", kinds: boolean}}},
}

// agreement is what an interface asks for. "%1%" in a name stands for a number.
type agreement struct {
	fields []term
	params []handle
}

// term is a field of an interface.
type term struct {
	name     string
	optional bool
	category nodes.Category
	kinds    []nodes.Kind
	units    []string // any of them; none: any, or none at all
}

// handle is a control parameter of an interface.
type handle struct {
	name     string
	optional bool
	kinds    []nodes.Kind
	ranged   bool    // it has a smallest and a largest value
	max      float64 // the range is from 0 to it; 0: any
}

// The kinds that the interfaces speak of.
var (
	boolean  = []nodes.Kind{nodes.KindBool}
	int32s   = []nodes.Kind{nodes.KindInt32}
	integer  = []nodes.Kind{nodes.KindInt32, nodes.KindInt64}
	quantity = []nodes.Kind{nodes.KindDouble}
	numeric  = []nodes.Kind{nodes.KindDouble, nodes.KindInt32, nodes.KindInt64}
)

// The units in which a quantity may be told. The interfaces name a quantity and
// leave its unit open, but for percent.
var (
	temperatures = []string{"°C", "°F", "K"}
	angles       = []string{"°", "deg", "rad", "mrad"}
	lengths      = []string{"m", "µm", "mm", "cm", "dm", "km", "in", "ft", "mi"}
	masses       = []string{"kg", "µg", "mg", "g", "hg", "t", "lb", "oz"}
	speeds       = []string{"m/s", "km/h", "kt", "mph", "ft/s", "cm/s", "mm/s"}
	volumes      = []string{"m³", "m3", "m^3", "dm³", "dm3", "dm^3", "l", "L", "ml", "cl", "dl", "hl", "gal", "ft³", "ft3", "ft^3"}
	flows        = []string{"m³/h", "m3/h", "m^3/h", "m³/s", "m3/s", "m^3/s", "l/s", "l/min", "l/h", "L/s", "L/min", "L/h", "gal/min"}
	energies     = []string{"J", "kJ", "MJ", "GJ", "Wh", "kWh", "MWh", "GWh", "cal", "kcal", "BTU"}
	powers       = []string{"W", "mW", "kW", "MW", "GW", "hp"}
	amperes      = []string{"A", "µA", "mA", "kA"}
	thermal      = []term{must("Energy", quantity, energies...), must("Volume", quantity, volumes...), may("Power", quantity, powers...),
		may("Flow", quantity, flows...), may("Temperature Difference", quantity, temperatures...),
		may("Supply Temperature", quantity, temperatures...), may("Return Temperature", quantity, temperatures...)}
)

func must(name string, kinds []nodes.Kind, units ...string) term {
	return term{name, false, nodes.Momentary, kinds, units}
}

func may(name string, kinds []nodes.Kind, units ...string) term {
	return term{name, true, nodes.Momentary, kinds, units}
}

func state(name string, kinds []nodes.Kind) term {
	return term{name, true, nodes.Status, kinds, nil}
}

func computed(name string, kinds []nodes.Kind, units ...string) term {
	return term{name, true, nodes.Computed, kinds, units}
}

func percent(name string) handle { return handle{name: name, kinds: numeric, ranged: true, max: 100} }
