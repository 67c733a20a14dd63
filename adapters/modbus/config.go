package modbus

import (
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

type unitConfig struct {
	id        byte
	interval  time.Duration // 0: that of the gateway
	timeout   time.Duration // 0: that of the gateway
	pause     time.Duration // 0: that of the gateway
	registers limits
	bits      limits
}

func readUnit(s *nodes.Spec) unitConfig {
	p := s.Params
	hole := p.Int("MaxHole")
	return unitConfig{
		id: byte(p.Int("UnitId")), interval: p.Span("PollInterval"),
		registers: limits{p.Int("MaxRegisters"), hole},
		bits:      limits{p.Int("MaxBits"), 16 * hole},
	}
}

// limits returns what one request of a table may do.
func (c *unitConfig) limits(t wire.Table) limits {
	if t.Bits() {
		return c.bits
	}
	return c.registers
}
