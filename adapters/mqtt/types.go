package mqtt

import (
	"time"

	"github.com/fieldhub/hub/nodes"
)

// The node types of the adapter.
const (
	TypeBroker   = "mqtt.broker"
	TypeDevice   = "mqtt.device"
	TypeField    = "mqtt.field"
	TypeServer   = "mqtt.server"
	TypeTemplate = "mqtt.template"
)

// The event ids of messages that the adapter sets on nodes.
const (
	EventConnection   = "Connection"   // broker: there is no connection
	EventSubscription = "Subscription" // broker: it refuses subscriptions
	EventAvailability = "Availability" // device: it says that it is offline
	EventSilence      = "Silence"      // device: nothing came for longer than its time-out
	EventPayload      = "Payload"      // device: what it sends is not what its fields say
	EventListen       = "Listen"       // server: it cannot listen
	EventTemplate     = "Template"     // template: devices came up that are no nodes
)

func types() []nodes.Type {
	return []nodes.Type{brokerType(), templateType(), deviceType(), fieldType(), serverType()}
}

// span is a parameter for a duration.
func span(id, page, label, description string, low, high time.Duration) nodes.Param {
	return nodes.Param{ID: id, Page: page, Label: label, Kind: nodes.KindDuration, Description: description,
		Min: nodes.Duration(0, low), Max: nodes.Duration(0, high)}
}

// with gives a parameter a default.
func with(p nodes.Param, v nodes.Value) nodes.Param {
	p.Default = v
	return p
}

// noMonths says of durations with months that they are wrong.
func noMonths(p nodes.Params, wrong map[string]string, ids ...string) {
	for _, id := range ids {
		if p[id].Months() != 0 {
			wrong[id] = "months have no fixed length: write days, hours, minutes or seconds"
		}
	}
}

func options(list ...string) []nodes.Option {
	var out []nodes.Option
	for i := 0; i+1 < len(list); i += 2 {
		out = append(out, nodes.Option{Value: list[i], Label: list[i+1]})
	}
	return out
}
