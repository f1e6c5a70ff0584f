/** Sends a file, and tells how far it is: fetch() cannot. */
import { call, queryString, refusalOf, type Answer, type Query } from "./client"
import { Unreachable } from "./errors"

export async function upload<T>(
  path: string,
  query: Query,
  file: Blob,
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<T> {
  await call("GET", "/project", { signal }) // where the session has ended, the log-in comes before the file goes
  return new Promise<T>((resolve, reject) => {
    const request = new XMLHttpRequest()
    const lost = () => reject(new Unreachable(`PUT ${path}: no answer`))
    request.open("PUT", `/api/v1${path}${queryString(query)}`)
    request.setRequestHeader("X-Thingstead", "1")
    request.setRequestHeader("Content-Type", "application/octet-stream")
    request.upload.onprogress = ({ loaded, total }) => progress(total > 0 ? loaded / total : 0)
    request.onerror = lost
    request.onabort = () => reject(new DOMException("not sent", "AbortError"))
    request.onload = () => {
      let answer: Answer
      try {
        answer = JSON.parse(request.responseText) as Answer
      } catch {
        return lost()
      }
      if (request.status < 300 && answer.result === true) resolve(answer.info as T)
      else reject(refusalOf(answer, request.status, request.getResponseHeader("Retry-After")))
    }
    signal.addEventListener("abort", () => request.abort(), { once: true })
    request.send(file)
  })
}
