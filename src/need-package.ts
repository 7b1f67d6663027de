import { JourneyDbError } from "./errors.js";

/**
 * Loads a package that an application may have left out.
 *
 * @param instead what to do where it does not load
 * @throws JourneyDbError configuration, saying what to install
 */
export async function needPackage<Module>(
  name: string,
  load: () => Promise<Module>,
  instead?: string,
): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
    const what = missing
      ? `is missing here: npm install ${name}`
      : `is there, but does not load on this platform${instead ? `; ${instead}` : ""}`;
    throw new JourneyDbError("configuration", `The package ${name} ${what}`);
  }
}
