// Package payload takes values out of what devices publish: JSON, numbers, texts,
// key=value pairs, CSV rows and binary layouts. It is pure: no clock, no network, no
// state but what a [Layout] has learned of the order of keys.
//
// A [Layout] is made once of the paths of all fields of a topic, and goes through a
// payload once, whatever the count of fields; what it finds are [Item] values, which
// point into the payload. A [Mapping] makes a [nodes.Value] of one.
package payload
