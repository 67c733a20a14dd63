package modbustest

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// Units of a plant.
const (
	TankUnit    = 1
	PumpUnit    = 2
	ClimateUnit = 3
	MeterUnit   = 4
)

// Units on the serial line of a plant.
const (
	CompressorUnit  = 11
	ThermometerUnit = 12
)

// LineBaud is the baud rate of that line.
const LineBaud = 19200

// tick is how often the values of a running plant move.
const tick = 100 * time.Millisecond

// Plant is a small simulated waterworks: a tank that fills, a pump that empties
// it and whose coil anybody may write, temperatures, and an energy meter that
// measures what runs. Its values are deterministic for a seed and a sequence of
// steps. A compressor and a thermometer are on a serial line beside it, which is
// there when [Line.Open] was called. Its registers are described by [PlantTree] and
// [LineTree].
type Plant struct {
	*Server
	Line *Line

	mu       sync.Mutex
	rng      *rand.Rand
	seconds  float64 // since the start
	level    float64 // m
	inflow   float64 // l/s
	outflow  float64 // l/s
	speed    float64 // of the pump, 1/min
	starts   float64
	running  float64 // h
	was      bool    // the pump was on
	water    float64 // °C
	noise    [4]float64
	energy   float64 // Wh
	currents [3]float64
	pressure float64 // bar
	pumping  bool    // the compressor runs
	pumped   float64 // its energy, Wh
}

// NewPlant makes a plant; it opens nothing until Listen, Line.Open and Run.
func NewPlant(seed uint64) *Plant {
	p := &Plant{Server: NewServer(), Line: NewLine(LineBaud), rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)),
		level: 1.2, inflow: 6, water: 12.5, energy: 1_234_567, running: 2345.6, starts: 1789,
		pressure: 7.4, pumped: 345_678}
	for _, id := range []byte{TankUnit, PumpUnit, ClimateUnit, MeterUnit} {
		p.Unit(id).RefuseHoles(true)
	}
	for _, id := range []byte{CompressorUnit, ThermometerUnit} {
		p.Line.Unit(id).RefuseHoles(true)
	}
	p.Line.Unit(CompressorUnit).Identify(Identity{ServerID: []byte("SC-11"), Running: true,
		Objects: map[byte]string{0: "Simulated Compressors", 1: "SC-11", 2: "2.4", 4: "Screw compressor", 5: "SC-11 B"}})
	p.Unit(PumpUnit).SetBits(wire.Coil, 0, false)
	p.show()
	return p
}

// Run serves the plant and moves its values until ctx ends. The serial line is
// closed then.
func (p *Plant) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		t := time.NewTicker(tick)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				p.Step(tick)
			}
		}
	})
	wg.Go(func() { p.Line.Run(ctx) })
	return p.Server.Run(ctx)
}

// Step lets time pass in the plant.
func (p *Plant) Step(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dt := d.Seconds()
	p.seconds += dt
	for i := range p.noise { // slow noise around zero, about one in size
		p.noise[i] += -p.noise[i]*dt/20 + p.rng.NormFloat64()*math.Sqrt(dt/10)
	}

	// The plant's own control switches the pump at its marks; between them
	// anybody may.
	pump := p.Unit(PumpUnit)
	switch {
	case p.level > 1.8:
		pump.SetBits(wire.Coil, 0, true)
	case p.level < 0.4:
		pump.SetBits(wire.Coil, 0, false)
	}
	on := pump.Bit(wire.Coil, 0)
	target := 0.0
	if on {
		target = 1450
		p.running += dt / 3600
		if !p.was {
			p.starts++
		}
	}
	p.was = on
	p.speed += (target - p.speed) * min(1, dt/0.8)
	p.inflow = max(0, 6+1.5*math.Sin(p.seconds/47)+0.4*p.noise[0])
	p.outflow = 11 * p.speed / 1450
	if p.level <= 0 {
		p.outflow = min(p.outflow, p.inflow)
	}
	const area = 0.5 // m²
	p.level = min(2, max(0, p.level+(p.inflow-p.outflow)*dt/1000/area))
	p.water += (12.5 + 0.5*p.noise[1] - p.water) * min(1, dt/30)
	load := 1.1 + 0.2*p.noise[2]
	motor := 4.2 * p.speed / 1450
	for i := range p.currents {
		p.currents[i] = max(0, load*(1+0.1*float64(i))+motor)
	}
	p.energy += p.power() * dt / 3600
	switch {
	case p.pressure < 6.8:
		p.pumping = true
	case p.pressure > 7.6:
		p.pumping = false
	}
	p.pressure -= 0.02 * dt
	if p.pumping {
		p.pressure += 0.07 * dt
		p.pumped += 5500 * dt / 3600
	}
	p.show()
}

// power returns what the meter measures, in W.
func (p *Plant) power() float64 {
	sum := 0.0
	for i, a := range p.currents {
		sum += p.voltage(i) * a * 0.9
	}
	return sum
}

func (p *Plant) voltage(phase int) float64 {
	return 230 + 1.5*math.Sin(p.seconds/31+float64(phase)) + 0.5*p.noise[3]
}

// show writes the state into the tables.
func (p *Plant) show() {
	in, holding := wire.InputRegister, wire.HoldingRegister
	tank := p.Unit(TankUnit)
	tank.SetNumber(in, 0, wire.Uint16, wire.ABCD, p.level*1000)
	tank.SetNumber(in, 1, wire.Uint16, wire.ABCD, p.inflow*100)
	tank.SetNumber(in, 2, wire.Uint16, wire.ABCD, p.outflow*100)
	tank.SetNumber(in, 3, wire.Int16, wire.ABCD, p.water*10)
	tank.SetBits(wire.DiscreteInput, 0, p.level < 0.5, p.level > 1.7)

	pump := p.Unit(PumpUnit)
	pump.SetNumber(holding, 0, wire.Uint16, wire.ABCD, p.speed)
	pump.SetNumber(holding, 1, wire.Uint16, wire.ABCD, 4.2*p.speed/1450*100)
	pump.SetNumber(holding, 10, wire.Uint32, wire.ABCD, p.running*10)
	pump.SetNumber(holding, 12, wire.Uint32, wire.ABCD, p.starts)

	climate := p.Unit(ClimateUnit)
	climate.SetNumber(in, 0, wire.Int16, wire.ABCD, 10*(19.5+math.Sin(p.seconds/120)+0.2*p.noise[1]))
	climate.SetNumber(in, 1, wire.Int16, wire.ABCD, 10*(-2.5+3*math.Sin(p.seconds/300)+0.3*p.noise[2]))
	climate.SetNumber(in, 2, wire.Uint16, wire.ABCD, 10*(55+4*math.Sin(p.seconds/90)))

	meter := p.Unit(MeterUnit)
	for i, a := range p.currents {
		meter.SetNumber(holding, 2*i, wire.Float32, wire.CDAB, p.voltage(i))
		meter.SetNumber(holding, 6+2*i, wire.Float32, wire.CDAB, a)
	}
	meter.SetNumber(holding, 12, wire.Float32, wire.CDAB, p.power())
	meter.SetNumber(holding, 14, wire.Float32, wire.CDAB, 50+0.02*p.noise[0])
	meter.SetNumber(holding, 40, wire.Uint32, wire.ABCD, p.energy)

	compressor, thermometer := p.Line.Unit(CompressorUnit), p.Line.Unit(ThermometerUnit)
	amps := 0.2
	if p.pumping {
		amps = 9.6 + 0.1*p.noise[1]
	}
	compressor.SetNumber(holding, 0, wire.Uint16, wire.ABCD, p.pressure*100)
	compressor.SetNumber(holding, 1, wire.Uint16, wire.ABCD, amps*100)
	compressor.SetNumber(holding, 2, wire.Uint32, wire.CDAB, p.pumped/10)
	compressor.SetBits(wire.DiscreteInput, 0, p.pumping)
	thermometer.SetNumber(in, 0, wire.Int16, wire.ABCD, 100*(31+3*math.Sin(p.seconds/200)+0.1*p.noise[3]))
	thermometer.SetNumber(in, 1, wire.Int16, wire.ABCD, 100*(p.water+0.3))
}
