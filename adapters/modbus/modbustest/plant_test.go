package modbustest

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

func TestPlantMovesPlausibly(t *testing.T) {
	p := NewPlant(1)
	tank, pump, meter := p.Unit(TankUnit), p.Unit(PumpUnit), p.Unit(MeterUnit)
	energy := func() uint32 {
		return uint32(meter.Word(wire.HoldingRegister, 40))<<16 | uint32(meter.Word(wire.HoldingRegister, 41))
	}
	switched, last, before := 0, false, energy()
	for range 10 * 3600 / 10 { // six minutes in steps of 100 ms
		p.Step(tick)
		if on := pump.Bit(wire.Coil, 0); on != last {
			switched, last = switched+1, on
		}
		if level := tank.Word(wire.InputRegister, 0); level < 300 || level > 1900 {
			t.Fatalf("level %d mm", level)
		}
		if v := int16(tank.Word(wire.InputRegister, 3)); v < 50 || v > 200 {
			t.Fatalf("water at %d tenths of a degree", v)
		}
	}
	if switched < 2 {
		t.Errorf("the pump was switched %d times in six minutes", switched)
	}
	if energy() <= before {
		t.Error("the meter stands still")
	}
}

// The level follows the coil.
func TestPlantObeysTheCoil(t *testing.T) {
	for _, on := range []bool{true, false} {
		p := NewPlant(2)
		p.Unit(PumpUnit).SetBits(wire.Coil, 0, on)
		for range 20 {
			p.Step(tick)
		}
		before := p.Unit(TankUnit).Word(wire.InputRegister, 0)
		for range 100 {
			p.Step(tick)
		}
		if after := p.Unit(TankUnit).Word(wire.InputRegister, 0); (after < before) != on {
			t.Errorf("pump on is %v: the level went from %d to %d mm", on, before, after)
		}
	}
}

func TestPlantIsDeterministic(t *testing.T) {
	a, b, other := NewPlant(3), NewPlant(3), NewPlant(4)
	differs := false
	for range 100 {
		for _, p := range []*Plant{a, b, other} {
			p.Step(time.Second)
		}
		for _, address := range []int{0, 1, 2, 3} {
			want := a.Unit(TankUnit).Word(wire.InputRegister, address)
			if got := b.Unit(TankUnit).Word(wire.InputRegister, address); got != want {
				t.Fatalf("register %d: got %d, want %d", address, got, want)
			}
			differs = differs || other.Unit(TankUnit).Word(wire.InputRegister, address) != want
		}
	}
	if !differs {
		t.Error("another seed makes the same plant")
	}
}

func TestWrites(t *testing.T) {
	u := &Unit{}
	u.SetWords(wire.HoldingRegister, 0, 1, 2, 3)
	ask := func(function byte, data ...byte) wire.ADU {
		a, _ := u.answer(wire.ADU{Function: function, Data: data}, make([]byte, wire.MaxADU))
		return a
	}
	ask(5, 0, 9, 0xff, 0)
	ask(6, 0, 1, 1, 2)
	ask(15, 0, 20, 0, 3, 1, 0b101)
	ask(16, 0, 2, 0, 2, 4, 0, 7, 0, 8)
	for _, tt := range []struct {
		table   wire.Table
		address int
		want    uint16
	}{
		{wire.Coil, 9, 1}, {wire.Coil, 20, 1}, {wire.Coil, 21, 0}, {wire.Coil, 22, 1},
		{wire.HoldingRegister, 0, 1}, {wire.HoldingRegister, 1, 258}, {wire.HoldingRegister, 2, 7}, {wire.HoldingRegister, 3, 8},
	} {
		if got := u.Word(tt.table, tt.address); got != tt.want {
			t.Errorf("%s %d: got %d, want %d", tt.table, tt.address, got, tt.want)
		}
	}
	for _, tt := range []struct {
		name     string
		function byte
		data     []byte
		want     wire.Exception
	}{
		{"coil neither on nor off", 5, []byte{0, 0, 1, 0}, wire.IllegalValue},
		{"short", 6, []byte{0, 0, 1}, wire.IllegalValue},
		{"no registers", 16, []byte{0, 0, 0, 0, 0}, wire.IllegalValue},
		{"missing data", 16, []byte{0, 0, 0, 2, 4, 0, 7}, wire.IllegalValue},
		{"past the end", 16, []byte{0xff, 0xff, 0, 2, 4, 0, 7, 0, 8}, wire.IllegalAddress},
		{"unknown", 100, []byte{14, 1, 0}, wire.IllegalFunction},
		{"not identified", 43, []byte{14, 1, 0}, wire.IllegalFunction},
		{"no server id", 17, nil, wire.IllegalFunction},
		{"mask without the second mask", 22, []byte{0, 0, 1, 2}, wire.IllegalValue},
		{"wrong byte count", 16, []byte{0, 0, 0, 1, 4, 0, 7}, wire.IllegalValue},
	} {
		if got := ask(tt.function, tt.data...); got.Function != tt.function|wire.Refuses || wire.Exception(got.Data[0]) != tt.want {
			t.Errorf("%s: got %+v, want %v", tt.name, got, tt.want)
		}
	}
}

// No request makes the simulated device fail.
func FuzzRequest(f *testing.F) {
	for _, fn := range []byte{1, 2, 3, 4, 5, 6, 15, 16} {
		f.Add(fn, binary.BigEndian.AppendUint32(nil, 0x00020003))
	}
	f.Add(byte(16), []byte{0, 2, 0, 2, 4, 0, 7, 0, 8})
	f.Fuzz(func(t *testing.T, function byte, data []byte) {
		if len(data) > 252 {
			return
		}
		u := &Unit{}
		a, _ := u.answer(wire.ADU{Transaction: 1, Unit: 1, Function: function, Data: data}, make([]byte, wire.MaxADU))
		if _, err := wire.ParseADU(a.Append(nil)); err != nil {
			t.Fatal(err)
		}
	})
}
