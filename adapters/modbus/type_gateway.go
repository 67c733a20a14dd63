package modbus

import (
	"net"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
)

func gatewayType() nodes.Type {
	return nodes.Type{
		Name: TypeGateway, Title: "Modbus TCP gateway",
		Parents:  []string{nodes.TypeRoot, nodes.TypeFolder},
		Caps:     nodes.CanSniff,
		Connects: true,
		Params: []nodes.Param{
			{ID: "Host", Page: "Connection", Label: "Host", Kind: nodes.KindString, Required: true, Pattern: `[^\s/@]+`,
				Description: "Name or IP address of the device or gateway."},
			{ID: "Port", Page: "Connection", Label: "Port", Kind: nodes.KindInt32, Default: nodes.Int32(502),
				Min: nodes.Int32(1), Max: nodes.Int32(65535), Description: "TCP port."},
			{ID: "Timeout", Page: "Connection", Label: "Time-out", Kind: nodes.KindDuration, Default: nodes.Duration(0, time.Second),
				Min: nodes.Duration(0, 10*time.Millisecond), Max: nodes.Duration(0, time.Minute),
				Description: "How long to wait for the connection and for each answer."},
			pollInterval(time.Second, "How often the registers below are read, where they say nothing else."),
			{ID: "MinInterval", Page: "Polling", Label: "Shortest interval", Kind: nodes.KindDuration,
				Default: nodes.Duration(0, 100*time.Millisecond),
				Min:     nodes.Duration(0, shortestInterval), Max: nodes.Duration(0, longestInterval),
				Description: "Subscribers cannot make polling faster than this."},
		},
		Check: checkGateway,
	}
}

func checkGateway(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	if h := p.Text("Host"); strings.Contains(h, ":") && net.ParseIP(strings.Trim(h, "[]")) == nil {
		wrong["Host"] = "write the name or address alone, and the port as Port"
	}
	noMonths(p, "Timeout", wrong)
	noMonths(p, "PollInterval", wrong)
	noMonths(p, "MinInterval", wrong)
	return wrong
}
