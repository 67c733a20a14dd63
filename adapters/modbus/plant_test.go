package modbus

import (
	"testing"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/nodes"
)

// The tree that comes with the plant fits it: every register is read.
func TestPlantTree(t *testing.T) {
	t.Parallel()
	p := modbustest.NewPlant(1)
	serve(t, p.Server)
	f := Factory()
	gw := adaptertest.Fill(t, f, modbustest.PlantTree(p.Addr())[0])
	d := adaptertest.Start(t, f, gw)
	n := 0
	gw.Walk(func(x *nodes.Node) bool {
		if x.Type == TypeRegister {
			n++
			d.Host.Wait(t, soon, x.ID, func() bool { return d.Host.Count(x.ID) > 0 })
			if err := d.Host.Err(x.ID); err != nil {
				t.Errorf("%s: %v", x.ID, err)
			}
		}
		return true
	})
	if n < 20 {
		t.Errorf("the plant has %d registers", n)
	}
	if v := d.Host.Value("plant/tank/level"); v.String() != "1.200 m" {
		t.Errorf("level: got %s, want 1.200 m", v)
	}
	if v := d.Host.Value("plant/meter/voltage L1"); v.Unit() != "V" || v.Double() < 220 || v.Double() > 240 || v.Decimals() != 1 {
		t.Errorf("voltage: got %v", v)
	}
	if v := d.Host.Value("plant/meter/energy"); v.String() != "1234.567 kWh" {
		t.Errorf("energy: got %s, want 1234.567 kWh", v)
	}
}
