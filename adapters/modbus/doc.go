// Package modbus is the adapter for Modbus: gateways, the units behind them and
// their registers, as nodes.
//
// A gateway node owns a connection ([nodes.Type.Connects]); the device opened for
// it polls all registers of all units below. Three parts, each of which knows
// only the one below:
//
//   - device, in device.go, schedule.go, poll.go and state.go: when which block is
//     read, what a failure means for which node. One goroutine, that of Run.
//   - plan, in plan.go: which registers go into one request. Pure.
//   - line, in line.go and tcp.go: one connection with one transaction at a time,
//     shared by all devices at one address. goburrow/modbus makes and checks the
//     PDUs above our own transport.
//
// Values and frames are decoded in wire; modbustest is a simulated plant. The
// package knows nothing of trees, XMPP or files.
package modbus
