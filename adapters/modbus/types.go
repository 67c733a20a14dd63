package modbus

import (
	"time"

	"github.com/fieldhub/hub/nodes"
)

// The node types of the adapter.
const (
	TypeGateway  = "modbus.gateway"
	TypeSerial   = "modbus.serial"
	TypeUnit     = "modbus.unit"
	TypeRegister = "modbus.register"
)

const (
	shortestInterval = 10 * time.Millisecond
	longestInterval  = 24 * time.Hour
)

func types() []nodes.Type {
	return []nodes.Type{gatewayType(), serialType(), unitType(), registerType()}
}

// pollInterval is the parameter that all types have; without a default: that of
// the node above.
func pollInterval(def time.Duration, description string) nodes.Param {
	p := nodes.Param{ID: "PollInterval", Page: "Polling", Label: "Poll interval", Kind: nodes.KindDuration, Description: description,
		Min: nodes.Duration(0, shortestInterval), Max: nodes.Duration(0, longestInterval)}
	if def > 0 {
		p.Default = nodes.Duration(0, def)
	}
	return p
}

func noMonths(p nodes.Params, id string, wrong map[string]string) {
	if p[id].Months() != 0 {
		wrong[id] = "months have no fixed length: write days, hours, minutes or seconds"
	}
}
