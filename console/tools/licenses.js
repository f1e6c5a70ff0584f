import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"

/** The folder of the package that a bundled file belongs to. */
function packageOf(id) {
  const file = id.replace(/^\0/, "").split("?")[0]
  if (!file.includes("/node_modules/")) return null
  for (let folder = dirname(file); folder.includes("/node_modules/"); folder = dirname(folder)) {
    const manifest = join(folder, "package.json")
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf-8")).version) return folder
  }
  return null
}

function describe(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf-8"))
  const file = readdirSync(folder)
    .sort()
    .find((one) => /^licen[cs]e(\.(md|txt))?$/i.test(one))
  if (!license) throw new Error(`${name} states no license`)
  const text = file ? readFileSync(join(folder, file), "utf-8").replaceAll("\r\n", "\n").trim() : ""
  return { name, version, license, text }
}

/** Writes licenses.json: name, version, license and its text of every package of which something is in the output. */
export function licenses(root) {
  return {
    name: "thingstead-licenses",
    generateBundle(_options, bundle) {
      const folders = new Set()
      for (const chunk of Object.values(bundle))
        for (const id of chunk.moduleIds ?? []) {
          const folder = packageOf(id)
          if (folder) folders.add(folder)
        }
      // What styles are made of is no module of a chunk.
      folders.add(join(root, "node_modules", "uplot"))
      const packages = [...folders].map(describe)
      packages.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
      this.emitFile({ type: "asset", fileName: "licenses.json", source: JSON.stringify(packages, null, 1) + "\n" })
    },
  }
}
