import { flushPromises } from "@vue/test-utils"
import { describe, expect, it } from "vitest"
import { effectScope } from "vue"
import { useNextReading, useResource } from "@/lib/resource"
import { pending } from "./fakes"

describe("what changes fast", () => {
  it("is read once more for all that came while it was read", async () => {
    const readings: ReturnType<typeof pending<number>>[] = []
    const scope = effectScope()
    scope.run(() => {
      const resource = useResource(() => {
        const reading = pending<number>()
        readings.push(reading)
        return reading.promise
      })
      const changed = useNextReading(resource)
      changed()
      changed()
    })
    expect(readings).toHaveLength(1)
    for (let answers = 0; answers < 3; answers += 1) {
      readings.at(-1)?.resolve(1)
      await flushPromises()
    }
    expect(readings).toHaveLength(2)
    scope.stop()
  })
})
