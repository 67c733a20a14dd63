package modbus

import (
	"net"
	"strconv"
	"strings"

	"github.com/fieldhub/hub/adapters/modbus/serial"
)

// endpointKind is how frames travel to an endpoint.
type endpointKind uint8

const (
	kindTCP        endpointKind = iota // Modbus TCP
	kindRTUOverTCP                     // RTU frames over a TCP connection
	kindSerial                         // RTU on a serial port
)

// endpoint is what a line leads to. Comparable. Nodes with the same kind and
// address share a line.
type endpoint struct {
	kind endpointKind
	addr string          // host:port, or the path of the port
	port serial.Settings // of a serial port
}

// networkEndpoint is a host and port.
func networkEndpoint(kind endpointKind, host string, port int) endpoint {
	return endpoint{kind: kind, addr: net.JoinHostPort(strings.ToLower(host), strconv.Itoa(port))}
}
