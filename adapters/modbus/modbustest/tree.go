package modbustest

import (
	"net"
	"strconv"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// PlantTree describes a [Plant] that listens at host:port as a person would
// configure it: one gateway with everything below it, ids and parents set,
// defaults left out.
func PlantTree(addr string) []*nodes.Node {
	host, text, err := net.SplitHostPort(addr)
	port, bad := strconv.Atoi(text)
	if err != nil || bad != nil {
		host, port = addr, 502
	}
	plant := node("plant", "modbus.gateway", nodes.Params{
		"Host": nodes.String(host), "Port": nodes.Int32(int32(port)),
	},
		unit("tank", TankUnit,
			register("level", wire.InputRegister, 0, "uint16", scaled(0.001, 3, "m")),
			register("inflow", wire.InputRegister, 1, "uint16", scaled(0.01, 2, "l/s")),
			register("outflow", wire.InputRegister, 2, "uint16", scaled(0.01, 2, "l/s")),
			register("temperature", wire.InputRegister, 3, "int16", scaled(0.1, 1, "°C")),
			register("low", wire.DiscreteInput, 0, "bool", nil),
			register("high", wire.DiscreteInput, 1, "bool", nil)),
		unit("pump", PumpUnit,
			register("on", wire.Coil, 0, "bool", nodes.Params{"Writable": nodes.Bool(true), "ReadBack": nodes.Bool(true)}),
			register("speed", wire.HoldingRegister, 0, "uint16", scaled(1, 0, "1/min")),
			register("current", wire.HoldingRegister, 1, "uint16", scaled(0.01, 2, "A")),
			slow(register("hours", wire.HoldingRegister, 10, "uint32", scaled(0.1, 1, "h"))),
			slow(register("starts", wire.HoldingRegister, 12, "uint32", nil))),
		unit("climate", ClimateUnit,
			register("hall", wire.InputRegister, 0, "int16", scaled(0.1, 1, "°C")),
			register("outside", wire.InputRegister, 1, "int16", scaled(0.1, 1, "°C")),
			register("humidity", wire.InputRegister, 2, "uint16", scaled(0.1, 1, "%"))),
		unit("meter", MeterUnit,
			float("voltage L1", 0, 1, "V"), float("voltage L2", 2, 1, "V"), float("voltage L3", 4, 1, "V"),
			float("current L1", 6, 2, "A"), float("current L2", 8, 2, "A"), float("current L3", 10, 2, "A"),
			float("power", 12, 0, "W"), float("frequency", 14, 2, "Hz"),
			register("energy", wire.HoldingRegister, 40, "uint32", scaled(0.001, 3, "kWh"))),
	)
	plant.Parent = nodes.RootID
	name(plant, "")
	return []*nodes.Node{plant}
}

// LineTree describes the serial line of a [Plant], whose port is at path.
func LineTree(path string) []*nodes.Node {
	line := node("line", "modbus.serial", nodes.Params{
		"Port": nodes.String(path), "BaudRate": nodes.Int32(LineBaud),
	},
		unit("compressor", CompressorUnit,
			register("pressure", wire.HoldingRegister, 0, "uint16", scaled(0.01, 2, "bar")),
			register("current", wire.HoldingRegister, 1, "uint16", scaled(0.01, 2, "A")),
			slow(swapped(register("energy", wire.HoldingRegister, 2, "uint32", scaled(0.01, 2, "kWh")))),
			register("running", wire.DiscreteInput, 0, "bool", nil)),
		unit("thermometer", ThermometerUnit,
			register("room", wire.InputRegister, 0, "int16", scaled(0.01, 2, "°C")),
			register("pipe", wire.InputRegister, 1, "int16", scaled(0.01, 2, "°C"))),
	)
	line.Parent = nodes.RootID
	name(line, "")
	return []*nodes.Node{line}
}

// name sets ids and parents.
func name(n *nodes.Node, parent string) {
	n.ID = n.Name
	if parent != "" {
		n.ID, n.Parent = parent+"/"+n.Name, parent
	}
	for _, c := range n.Children {
		name(c, n.ID)
	}
}

func node(name, typ string, p nodes.Params, children ...*nodes.Node) *nodes.Node {
	return &nodes.Node{Spec: nodes.Spec{Name: name, Type: typ, Params: p}, Children: children}
}

func unit(name string, id int32, registers ...*nodes.Node) *nodes.Node {
	return node(name, "modbus.unit", nodes.Params{"UnitId": nodes.Int32(id)}, registers...)
}

func register(name string, t wire.Table, address int32, typ string, more nodes.Params) *nodes.Node {
	p := nodes.Params{"Table": nodes.Enum(t.String(), "Table"), "Address": nodes.Int32(address), "Type": nodes.Enum(typ, "Type")}
	for id, v := range more {
		p[id] = v
	}
	return node(name, "modbus.register", p)
}

func scaled(scale float64, decimals int, unit string) nodes.Params {
	return nodes.Params{"Scale": nodes.Quantity(scale, decimals, ""), "Unit": nodes.String(unit)}
}

func float(name string, address, decimals int32, unit string) *nodes.Node {
	return register(name, wire.HoldingRegister, address, "float32", nodes.Params{
		"ByteOrder": nodes.Enum("CDAB", "ByteOrder"), "Decimals": nodes.Int32(decimals), "Unit": nodes.String(unit)})
}

func slow(n *nodes.Node) *nodes.Node {
	n.Params["PollInterval"] = nodes.Duration(0, 10*time.Second)
	return n
}

func swapped(n *nodes.Node) *nodes.Node {
	n.Params["ByteOrder"] = nodes.Enum("CDAB", "ByteOrder")
	return n
}
