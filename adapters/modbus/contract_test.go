package modbus

import (
	"net"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// hasty is a timing for tests.
var hasty = timing{
	line:   pause{20 * time.Millisecond, 100 * time.Millisecond},
	unit:   pause{20 * time.Millisecond, 100 * time.Millisecond},
	probe:  20 * time.Millisecond,
	refuse: 100 * time.Millisecond,
}

// gatewayNode makes a gateway at 127.0.0.1 that polls every 50 ms and waits 200 ms
// for an answer.
func gatewayNode(t testing.TB, port int, units ...*nodes.Node) *nodes.Node {
	t.Helper()
	n := &nodes.Node{Children: units, Spec: nodes.Spec{Name: "gw", Type: TypeGateway, Parent: nodes.RootID, Params: nodes.Params{
		"Host": nodes.String("127.0.0.1"), "Port": nodes.Int32(int32(port)),
		"Timeout":      nodes.Duration(0, 200*time.Millisecond),
		"PollInterval": nodes.Duration(0, 50*time.Millisecond),
		"MinInterval":  nodes.Duration(0, 10*time.Millisecond),
	}}}
	return adaptertest.Fill(t, factory(hasty), n)
}

func unitNode(name string, id int, registers ...*nodes.Node) *nodes.Node {
	return &nodes.Node{Children: registers, Spec: nodes.Spec{Name: name, Type: TypeUnit,
		Params: nodes.Params{"UnitId": nodes.Int32(int32(id))}}}
}

func registerNode(name string, t wire.Table, address int, typ string, more ...any) *nodes.Node {
	p := nodes.Params{"Table": nodes.String(t.String()), "Address": nodes.Int32(int32(address))}
	if typ != "" {
		p["Type"] = nodes.String(typ)
	}
	for i := 0; i+1 < len(more); i += 2 {
		p[more[i].(string)] = more[i+1].(nodes.Value)
	}
	return &nodes.Node{Spec: nodes.Spec{Name: name, Type: TypeRegister, Params: p}}
}

func TestContract(t *testing.T) {
	units := func() []*nodes.Node {
		return []*nodes.Node{
			unitNode("a", 1,
				registerNode("level", wire.HoldingRegister, 0, "uint16"),
				registerNode("flow", wire.HoldingRegister, 1, "float32"),
				registerNode("pump", wire.Coil, 0, "", "Writable", nodes.Bool(true)),
				registerNode("target", wire.HoldingRegister, 5, "int16", "Writable", nodes.Bool(true)),
				registerNode("fixed", wire.HoldingRegister, 40000, "int16", "Writable", nodes.Bool(true))),
			unitNode("b", 2, registerNode("power", wire.InputRegister, 10, "int32")),
		}
	}
	with := func(prepare func(*modbustest.Server)) func(t *testing.T) *nodes.Node {
		return func(t *testing.T) *nodes.Node {
			s := modbustest.NewServer()
			prepare(s)
			return gatewayNode(t, serve(t, s), units()...)
		}
	}
	adaptertest.Run(t, adaptertest.Config{
		Factory: func() adapters.Factory { return factory(hasty) },
		Healthy: with(func(s *modbustest.Server) { s.Unit(1); s.Unit(2) }),
		Writing: func(t *testing.T) adaptertest.Writing {
			s := modbustest.NewServer()
			u := s.Unit(1)
			s.Unit(2)
			u.SetWords(wire.HoldingRegister, 0, make([]uint16, 10)...)
			u.SetBits(wire.Coil, 0, false)
			u.RefuseHoles(true) // 40000 is one
			return adaptertest.Writing{
				Node: gatewayNode(t, serve(t, s), units()...),
				Settings: []nodes.Setting{{Node: "gw/a/pump", Name: "pump", Value: nodes.Bool(true)},
					{Node: "gw/a/target", Name: "target", Value: nodes.Int32(-7)}},
				Refused: nodes.Setting{Node: "gw/a/fixed", Name: "fixed", Value: nodes.Int32(1)},
				Writes: func() int {
					n := 0
					for _, w := range u.Writes() {
						if w.Refused == 0 {
							n++
						}
					}
					return n
				},
			}
		},
		Running: func(t *testing.T) adaptertest.Running {
			s := modbustest.NewServer()
			s.Unit(1)
			s.Unit(2)
			return adaptertest.Running{Root: gatewayNode(t, serve(t, s), units()...), Node: "gw", Command: "ScanUnits",
				Params: nodes.Params{"To": nodes.Int32(12), "Timeout": nodes.Duration(0, 50*time.Millisecond)}}
		},
		Silent: with(func(*modbustest.Server) {}),
		Off: func(t *testing.T) *nodes.Node {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close() // afterwards nothing listens there
			return gatewayNode(t, portOf(t, ln.Addr().String()), units()...)
		},
	})
}
