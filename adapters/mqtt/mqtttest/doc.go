// Package mqtttest holds brokers for tests and demonstrations: one in the process, which
// can be made to misbehave, and Mosquitto, where it is installed.
package mqtttest
