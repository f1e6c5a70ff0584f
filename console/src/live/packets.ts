/** The little of MQTT 3.1.1 that a subscriber with QoS 0 needs: that of the JavaScript client. */
export * from "../../../clients/javascript/packets.js"
