package modbus

import (
	"net"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/serial"
	"github.com/fieldhub/hub/nodes"
)

// gatewayConfig is a gateway or serial line node as the device uses it. Comparable,
// as are the others: a change that changes nothing does nothing.
type gatewayConfig struct {
	endpoint endpoint
	timeout  time.Duration
	interval time.Duration
	shortest time.Duration
	pause    time.Duration // between requests
	settle   time.Duration // after connecting
}

func readGateway(s *nodes.Spec) gatewayConfig {
	p := s.Params
	c := gatewayConfig{timeout: p.Span("Timeout"), interval: p.Span("PollInterval"), shortest: p.Span("MinInterval"),
		pause: p.Span("RequestPause"), settle: p.Span("ConnectPause")}
	if s.Type == TypeSerial {
		if path := p.Text("Port"); path != "" {
			c.endpoint = endpoint{kind: kindSerial, addr: path, port: readPort(p)}
		}
		return c
	}
	host, port, kind := p.Text("Host"), p.Int("Port"), kindTCP
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' { // an IPv6 address as in a URL
		host = host[1 : n-1]
	}
	if p.Text("Framing") == "rtu" {
		kind = kindRTUOverTCP
	}
	if host != "" && port != 0 {
		c.endpoint = networkEndpoint(kind, host, port)
	}
	return c
}

func readPort(p nodes.Params) serial.Settings {
	s := serial.Settings{Baud: p.Int("BaudRate"), DataBits: 8, StopBits: p.Int("StopBits")}
	for i, name := range serial.ParityNames {
		if p.Text("Parity") == name {
			s.Parity = serial.Parity(i)
		}
	}
	if mode := p.Text("RS485"); mode == "rts high" || mode == "rts low" {
		s.RS485 = serial.RS485{On: true, Low: mode == "rts low", Before: p.Span("RS485Before"), After: p.Span("RS485After")}
	}
	return s
}

// timeParams are the parameters that gateways and serial lines share.
func timeParams() []nodes.Param {
	return []nodes.Param{
		{ID: "Timeout", Page: "Connection", Label: "Time-out", Kind: nodes.KindDuration, Default: nodes.Duration(0, time.Second),
			Min: nodes.Duration(0, 10*time.Millisecond), Max: nodes.Duration(0, time.Minute),
			Description: "How long to wait for the connection and for each answer."},
		{ID: "ConnectPause", Page: "Connection", Label: "Pause after connecting", Kind: nodes.KindDuration,
			Min: nodes.Duration(0, 0), Max: nodes.Duration(0, time.Minute),
			Description: "How long to wait after connecting before the first request; some devices need it. Empty: not at all."},
		{ID: "RequestPause", Page: "Connection", Label: "Pause between requests", Kind: nodes.KindDuration,
			Min: nodes.Duration(0, 0), Max: nodes.Duration(0, time.Minute),
			Description: "The least silence between an answer and the next request; some devices need it. Empty: what the protocol wants."},
		pollInterval(time.Second, "How often the registers below are read, where they say nothing else."),
		{ID: "MinInterval", Page: "Polling", Label: "Shortest interval", Kind: nodes.KindDuration,
			Default: nodes.Duration(0, 100*time.Millisecond),
			Min:     nodes.Duration(0, shortestInterval), Max: nodes.Duration(0, longestInterval),
			Description: "Subscribers cannot make polling faster than this."},
	}
}

func gatewayType() nodes.Type {
	return nodes.Type{
		Name: TypeGateway, Title: "Modbus TCP gateway",
		Parents:  []string{nodes.TypeRoot, nodes.TypeFolder},
		Caps:     nodes.CanRead | nodes.CanSniff | nodes.CanCommand,
		Connects: true,
		Commands: commandsOfGateway(),
		Params: append([]nodes.Param{
			{ID: "Host", Page: "Connection", Label: "Host", Kind: nodes.KindString, Required: true, Pattern: `[^\s/@]+`,
				Description: "Name or IP address of the device or gateway."},
			{ID: "Port", Page: "Connection", Label: "Port", Kind: nodes.KindInt32, Default: nodes.Int32(502),
				Min: nodes.Int32(1), Max: nodes.Int32(65535), Description: "TCP port."},
			{ID: "Framing", Page: "Connection", Label: "Framing", Kind: nodes.KindEnum, Default: nodes.Enum("tcp", "Framing"),
				Description: "How requests travel: as Modbus TCP, or as RTU frames, as simple serial servers want them.",
				Options:     []nodes.Option{{Value: "tcp", Label: "Modbus TCP"}, {Value: "rtu", Label: "RTU over TCP"}}},
		}, timeParams()...),
		Check: checkGateway,
	}
}

func serialType() nodes.Type {
	delay := func(id, label, description string) nodes.Param {
		return nodes.Param{ID: id, Page: "RS-485", Label: label, Kind: nodes.KindDuration, Description: description,
			Min: nodes.Duration(0, 0), Max: nodes.Duration(0, time.Second)}
	}
	var parities []nodes.Option
	for _, name := range serial.ParityNames {
		parities = append(parities, nodes.Option{Value: name})
	}
	return nodes.Type{
		Name: TypeSerial, Title: "Modbus serial line",
		Parents:  []string{nodes.TypeRoot, nodes.TypeFolder},
		Caps:     nodes.CanRead | nodes.CanSniff | nodes.CanCommand,
		Connects: true,
		Commands: commandsOfLine(),
		Params: append([]nodes.Param{
			{ID: "Port", Page: "Connection", Label: "Port", Kind: nodes.KindString, Required: true, Pattern: `/.+`,
				Description: "Path of the serial port. One below /dev/serial/by-id stays the same when adapters are plugged in again; ls /dev/serial/by-id lists them."},
			{ID: "BaudRate", Page: "Connection", Label: "Baud rate", Kind: nodes.KindInt32, Default: nodes.Int32(19200),
				Min: nodes.Int32(50), Max: nodes.Int32(4000000), Description: "Bits per second, the same for all units; 19200 is the default of the protocol, 9600 is common."},
			{ID: "Parity", Page: "Connection", Label: "Parity", Kind: nodes.KindEnum, Default: nodes.Enum("even", "Parity"),
				Description: "How characters are checked; even is the default of the protocol, none is common.", Options: parities},
			{ID: "StopBits", Page: "Connection", Label: "Stop bits", Kind: nodes.KindInt32, Default: nodes.Int32(1),
				Min: nodes.Int32(1), Max: nodes.Int32(2), Description: "1, or 2 where there is no parity and the devices want it."},
			{ID: "RS485", Page: "RS-485", Label: "Direction", Kind: nodes.KindEnum, Default: nodes.Enum("off", "RS485"),
				Description: "Whether the kernel switches the direction of an RS-485 transceiver by RTS. Most adapters do it by themselves: off.",
				Options:     []nodes.Option{{Value: "off", Label: "Off"}, {Value: "rts high", Label: "RTS high while sending"}, {Value: "rts low", Label: "RTS low while sending"}}},
			delay("RS485Before", "Delay before sending", "Between RTS and the first bit, whole milliseconds; empty: none."),
			delay("RS485After", "Delay after sending", "Between the last bit and RTS, whole milliseconds; empty: none."),
		}, timeParams()...),
		Check: checkTimes,
	}
}

func checkGateway(p nodes.Params) map[string]string {
	wrong := checkTimes(p)
	if h := p.Text("Host"); strings.Contains(h, ":") && net.ParseIP(strings.Trim(h, "[]")) == nil {
		wrong["Host"] = "write the name or address alone, and the port as Port"
	}
	return wrong
}

func checkTimes(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	for _, id := range []string{"Timeout", "ConnectPause", "RequestPause", "PollInterval", "MinInterval"} {
		noMonths(p, id, wrong)
	}
	return wrong
}
