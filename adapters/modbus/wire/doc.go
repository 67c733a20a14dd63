// Package wire is the pure part of Modbus: tables and their addresses, how
// numbers lie in registers, frames of Modbus TCP, and what a frame means in
// words. It opens nothing, keeps no state and knows nothing of nodes.
//
// Sources: MODBUS Application Protocol Specification V1.1b3 ("MAP") and MODBUS
// Messaging on TCP/IP Implementation Guide V1.0b ("MTI"), modbus.org.
package wire
