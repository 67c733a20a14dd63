// Package synchronization tells the time of this machine's clock and measures how
// far it is from that of another one (Neuro-Foundation, "Clock & Event
// Synchronization", urn:nfi:iot:synchronization:1.0). It sets no clock: that is
// the operating system's task.
package synchronization
