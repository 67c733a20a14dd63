// Package chaos proves that a hub survives what happens to its server and its network.
// It has tests only: a hub with a simulated Modbus plant is read, watched and written to
// without a pause, while its server is restarted, killed or stopped, or the network in
// between is cut. The command for more rounds, and figures, are in docs/chaos.md.
package chaos
