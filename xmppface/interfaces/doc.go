// Package interfaces tells which harmonised interfaces a node fulfils, at both ends:
// the hub answers getInterfaces ([New]), and [Get] asks any device. An interface is a
// published agreement on names, kinds and units of fields and control parameters, so
// that machines can use a device that they have never seen.
//
// The interface is that of urn:nfi:iot:hi:1.0 (Neuro-Foundation, "Harmonized
// Interfaces"); urn:nf and urn:ieee are served with the same elements. The older
// urn:xmpp:iot:interoperability is answered with getInterfacesResponse, which holds
// names instead of references: urn:nfi:iot:hi:sensor:temperature:1.0 is
// XMPP.IoT.Sensor.Temperature there.
//
// A node's interfaces are those that its configuration claims. Of these only those are
// told that it fulfils: of published ones, that the fields and parameters are there.
// A request without a node is for the hub itself. In the older namespace the node may
// also be addressed by nodeId, sourceId and cacheType, as its drafts had it.
package interfaces
